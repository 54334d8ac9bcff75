import { expect, it } from 'vitest';
// @ts-expect-error: plain programs for Node, without types
import { plot } from './plot.mjs';

it('draws a dot a contender and a line a series, and no name as markup', () => {
  const rows = [
    { name: 'a<b', unit: 's', medians: { kernel: 1, view: 0.3 }, ratios: [] },
    ...[1, 40, 200].map((x) => ({
      name: `depth ${x}`,
      unit: 's',
      series: { name: 'depth', x, measure: 'seconds' },
      medians: { kernel: x / 10, view: 0.1 },
      ratios: [],
    })),
  ];
  const svg = plot(rows, 'here');
  expect(svg).toContain('a&#60;b');
  expect(svg.match(/<polyline/g)).toHaveLength(2);
  expect(svg.match(/<circle/g)).toHaveLength(2 + 2 + 2 + 6);
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
});
