// An arrow from each folder with a redirect, and each file without data that has one, to where its lower part lies.

import type { LayerState } from '../model.js';
import { redirectsOf } from './columns.js';
import { svg } from './dom.js';

type Place = (
  path: string,
  layer: string | undefined,
) => { readonly x: number; readonly y: number } | undefined;

/** `sheets` from the top; `place` says where a cell is drawn. */
export function redirectArrows(sheets: readonly LayerState[], place: Place): SVGElement {
  const arrows = svg('g', { class: 'redirects' });
  for (const { sheet, path, target } of redirectsOf(sheets)) {
    const from = place(path, sheets[sheet]?.name);
    const below = sheets
      .slice(sheet + 1)
      .find(({ entries, hidden }) => hidden !== true && entries.some((one) => one.path === target));
    const to = below && place(target, below.name);
    if (from === undefined || to === undefined) continue;
    const y0 = from.y + 20;
    const y1 = to.y - 24;
    const middle = (y0 + y1) / 2;
    arrows.append(
      svg('path', {
        class: 'redirect-line',
        d: `M ${from.x} ${y0} C ${from.x} ${middle + 10}, ${to.x} ${middle - 10}, ${to.x} ${y1}`,
        'marker-end': 'url(#arrow)',
      }),
    );
  }
  return arrows;
}
