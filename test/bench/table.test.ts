import { expect, it } from 'vitest';
// @ts-expect-error: plain programs for Node, without types
import { failures, line, rowsOf, wrongBounds } from './table.mjs';

const walk = {
  name: 'walk',
  measures: {
    seconds: [{ ours: 'view', than: 'kernel', atMost: 0.4 }],
    requests: { unit: 'requests', targets: [{ ours: 'view', atMost: 2 }] },
  },
};
const seen = (view: object[], kernel: object[]) =>
  new Map([
    ['view', view],
    ['kernel', kernel],
  ]);
const seconds = (...values: number[]) => values.map((value) => ({ seconds: value }));

const fast = rowsOf(walk, seen([{ seconds: 0.4, requests: 2 }], seconds(1)), []);
const slow = rowsOf(walk, seen([{ seconds: 0.5, requests: 2 }], seconds(1)), []);

it('makes a row a measure, of medians and ratios', () => {
  const view = [
    { seconds: 9, requests: 3 },
    { seconds: 1, requests: 1 },
    { seconds: 2, requests: 2 },
  ];
  expect(rowsOf(walk, seen(view, seconds(5, 4, 9)), [])).toMatchObject([
    { name: 'walk', unit: 's', medians: { view: 2, kernel: 5 }, ratios: [{ ratio: 0.4 }] },
    { name: 'walk: requests', unit: 'requests', medians: { view: 2 }, ratios: [{ ratio: 2 }] },
  ]);
});

it('compares with another workload where a target names one', () => {
  const deep = {
    name: 'deep',
    measures: { seconds: [{ ours: 'view', than: 'view', of: 'walk', atMost: 1.2 }] },
  };
  const [row] = rowsOf(deep, seen(seconds(1), seconds(7)), slow);
  expect(row?.ratios).toMatchObject([{ ratio: 2 }]);
  expect(failures([row], [])).toEqual(['deep: view/view (walk) is 2.00, not 1.2']);
});

it('of two builds holds each measure of the new one to the old', () => {
  const both = new Map([
    ['view', [{ seconds: 3 }]],
    ['old view', [{ seconds: 2 }]],
  ]);
  expect(failures(rowsOf(walk, both, [], true), [])).toEqual(['walk: view/old view is 1.50, not 1.1']);
});

it('fails a row above its target and no other', () => {
  expect(failures(fast, [])).toEqual([]);
  expect(failures(slow, [])).toEqual(['walk: view/kernel is 0.50, not 0.4']);
});

it('fails a target that was not measured', () => {
  const rows = rowsOf(walk, seen([{ seconds: 0.1, requests: 1 }], []), []);
  expect(failures(rows, [])).toEqual(['walk: view/kernel was not measured']);
  expect(failures(JSON.parse(JSON.stringify(rows)), [])).toHaveLength(1);
});

it('holds a row with a bound to the bound, and says so', () => {
  const bound = { row: 'walk', ours: 'view', than: 'kernel', reason: 'r' };
  expect(failures(slow, [{ ...bound, atMost: 0.5 }])).toEqual([]);
  expect(failures(slow, [{ ...bound, atMost: 0.45 }])).toEqual(['walk: view/kernel is 0.50, not 0.45']);
  expect(failures(slow, [{ ...bound, than: undefined, atMost: 0.5 }])).toHaveLength(1);
  const [row] = slow;
  expect(line(row, [{ name: 'view' }], [{ ...bound, atMost: 0.5 }])).toContain('(0.4, bound 0.5)');
  expect(line(row, [{ name: 'view' }], [])).toContain('(0.4 MISSED)');
});

it('refuses bounds without a reason, of no target, or no looser than it', () => {
  const bound = { row: 'walk', ours: 'view', than: 'kernel', atMost: 0.6, reason: 'the transport' };
  expect(wrongBounds([bound], [walk])).toEqual([]);
  expect(wrongBounds([{ ...bound, reason: ' ' }], [walk])[0]).toContain('has no reason');
  expect(wrongBounds([{ ...bound, row: 'walks' }], [walk])[0]).toContain('is of no target');
  expect(wrongBounds([{ ...bound, ours: 'store' }], [walk])[0]).toContain('is of no target');
  expect(wrongBounds([{ ...bound, atMost: 0.4 }], [walk])[0]).toContain('is not above the target');
});
