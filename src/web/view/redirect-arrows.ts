// An arrow from each folder with a redirect, and each file without data that has one, to where its lower part lies. It goes
// between the cells, so that it crosses no text: along the gaps of rows, and past the sheets in between by a lane.

import type { LayerState } from '../model.js';
import { redirectsOf } from './columns.js';
import { svg } from './dom.js';

/** Of a cell, in the drawing's own units. */
export interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export interface Grid {
  /** Where a cell is drawn. */
  box(path: string, layer: string | undefined): Box | undefined;
  /** Set where a row of cells goes on in further ones: what lies beyond all cells on the right. */
  readonly edge: number | undefined;
}

/** Half of the gap between two cells. */
const GAP = 2;
/** Between a turn of the arrow and its end; less where the next sheet is nearer. */
const STEM = 9;

/** `sheets` from the top. */
export function redirectArrows(sheets: readonly LayerState[], grid: Grid): SVGElement {
  const arrows = svg('g', { class: 'redirects' });
  for (const { sheet, path, target } of redirectsOf(sheets)) {
    const from = grid.box(path, sheets[sheet]?.name);
    const at = sheets.findIndex(
      ({ entries, hidden }, n) => n > sheet && hidden !== true && entries.some((one) => one.path === target),
    );
    const to = grid.box(target, sheets[at]?.name);
    if (at < 0 || from === undefined || to === undefined) continue;
    const stems = {
      first: stem((grid.box(path, sheets[sheet + 1]?.name)?.top ?? to.top) - from.bottom),
      last: stem(to.top - (grid.box(target, sheets[at - 1]?.name)?.bottom ?? from.bottom)),
    };
    const d = wayOf(from, to, stems, at === sheet + 1, grid.edge);
    arrows.append(svg('path', { class: 'redirect-line', d, 'marker-end': 'url(#arrow)' }));
  }
  return arrows;
}

function stem(gap: number): number {
  return Math.min(STEM, gap / 2);
}

function wayOf(
  from: Box,
  to: Box,
  stems: { readonly first: number; readonly last: number },
  isNext: boolean,
  edge: number | undefined,
): string {
  const [start, end] = [middle(from), middle(to)];
  if (edge !== undefined) {
    const [first, last] = [from.bottom + GAP, to.top - GAP];
    return `M ${start} ${from.bottom} V ${first} H ${edge} V ${last} H ${end} V ${to.top}`;
  }
  if (isNext) return `M ${start} ${from.bottom} V ${(from.bottom + to.top) / 2} H ${end} V ${to.top}`;
  const lane = to.left - GAP;
  const [first, last] = [from.bottom + stems.first, to.top - stems.last];
  return `M ${start} ${from.bottom} V ${first} H ${lane} V ${last} H ${end} V ${to.top}`;
}

function middle({ left, right }: Box): number {
  return (left + right) / 2;
}
