// The stack as sheets: what the union shows on top, then the layers, and one column a path, so that a file's way through
// the layers is a straight line. Layers that this container does not stand on lie beside, that is, below the others. Cells
// are buttons of a grid (ARIA). Over it lies a drawing that only moves and points.

import type { LayerState, State } from '../model.js';
import { layerCell, mergedCell } from './cell.js';
import { type Picture as PictureModel, pictureOf } from './columns.js';
import { button, byId, el } from './dom.js';
import type { Hues } from './hues.js';
import { layerName } from './layer-name.js';
import { type Box, redirectArrows } from './redirect-arrows.js';
import { Roving } from './roving.js';
import { type HeadActions, sheetHead } from './sheet-head.js';
import { cellText, containerText, mergedText, shownText } from './words.js';

/** What is brought into sight stands so far from the edge. */
const MARGIN = 20;
/** So many sheets have to be low for all to be in sight; the style sheet counts them, too. */
const MANY = 4;

export interface PictureActions extends HeadActions {
  /** A path, the layer whose cell it was (undefined for the view on top), and what the cell says. */
  select(path: string, layer: string | undefined, said: string): void;
}

export class PictureView {
  readonly #grid = byId('grid');
  readonly #over = byId<HTMLElement & SVGSVGElement>('over');
  /** Below the view on top and the names, which do not go with the sheets. */
  readonly #arrows = byId<HTMLElement & SVGSVGElement>('arrows');
  readonly #hues: Hues;
  readonly #actions: PictureActions;
  readonly #roving = new Roving(this.#grid);
  #model: PictureModel = { sheets: [], beside: [], columns: [], more: 0 };
  /** Layers can be hidden and moved. */
  arrangeable = false;
  /** Sheets that are many say how many need them and not who: in lessons that is what is to be seen. */
  counted = false;
  /** Sheets have their digests on them. */
  ids = false;

  constructor(hues: Hues, actions: PictureActions) {
    this.#hues = hues;
    this.#actions = actions;
    addEventListener('resize', () => this.#drawRedirects());
    const scroller = this.#scroller;
    scroller.addEventListener('scroll', () => scroller.classList.toggle('aside', scroller.scrollLeft > 0));
    for (const [come, on] of [
      ['pointerover', true],
      ['pointerout', false],
      ['focusin', true],
      ['focusout', false],
    ] as const)
      this.#grid.addEventListener(come, ({ target }) => this.#markColumn(target, on));
  }

  render(state: State, selected: string | undefined): void {
    const focusAgain = this.#roving.keep();
    this.#model = pictureOf(state);
    const { columns, sheets, beside, more } = this.#model;
    this.#grid.style.setProperty('--columns', String(Math.max(columns.length, 1)));
    this.#grid.setAttribute('aria-rowcount', String(sheets.length + beside.length + 1));
    this.#grid.setAttribute('aria-colcount', String(columns.length + 1));
    this.#grid.replaceChildren(
      this.#mergedRow(state, selected),
      ...[...sheets, ...beside].map((layer, row) => this.#sheet(layer, row, state, selected)),
    );
    this.#drawContainers(state);
    byId('more').textContent = shownText(state, more);
    this.#drawRedirects();
    focusAgain();
  }

  /** Where a cell is drawn, in the drawing's own units; `layer` undefined: in the view on top. */
  place(path: string, layer: string | undefined): { readonly x: number; readonly y: number } | undefined {
    const box = this.#box(path, layer);
    return box && { x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2 };
  }

  #box(path: string, layer: string | undefined): Box | undefined {
    const cell = this.cell(path, layer);
    if (cell === undefined) return undefined;
    const { left, right, top, bottom } = cell.getBoundingClientRect();
    const { left: x, top: y } = this.#over.getBoundingClientRect();
    return { left: left - x, right: right - x, top: top - y, bottom: bottom - y };
  }

  /** Where a redirect leads elsewhere, the cell there. `layer`: a name or an id. */
  cell(path: string, layer: string | undefined): HTMLElement | undefined {
    const name = layer === undefined ? '' : this.#hues.nameOf(layer);
    const all = this.#grid.querySelectorAll<HTMLElement>('[role=gridcell]');
    const cells = [...all].filter((one) => one.dataset['layer'] === name);
    return (
      cells.find((one) => one.dataset['as'] === path) ?? cells.find((one) => one.dataset['path'] === path)
    );
  }

  /** The path of its column, or of the nearest folder above it that has one; undefined for what is not drawn at all. */
  columnOf(path: string): string | undefined {
    const { columns } = this.#model;
    let at = path;
    while (at !== '') {
      const is = at;
      const cells = columns.find(
        (column) => column.path === is || column.cells.some(({ seenAs }) => seenAs === is),
      );
      if (cells !== undefined) return at;
      at = at.slice(0, Math.max(at.lastIndexOf('/'), 0));
    }
    return undefined;
  }

  /** The sheets as they are drawn. */
  get drawn(): readonly HTMLElement[] {
    return [...this.#grid.querySelectorAll<HTMLElement>('.sheet')];
  }

  get over(): SVGSVGElement {
    return this.#over;
  }

  focus(): void {
    this.#roving.focus();
  }

  /** Has more than is in sight, where the columns or the sheets are many. */
  get #scroller(): HTMLElement {
    return this.#grid.parentElement!.parentElement!;
  }

  /** Brings a column into sight, and the sheet of the layer, where there are more than fit. */
  reveal(path: string, layer: string | undefined): void {
    const cell = this.cell(path, layer) ?? this.cell(path, undefined);
    const top = this.#grid.firstElementChild?.getBoundingClientRect();
    const names = this.#grid.querySelector('.head')?.getBoundingClientRect();
    if (cell === undefined || top === undefined || names === undefined) return;
    const scroller = this.#scroller;
    const box = cell.getBoundingClientRect();
    const outer = scroller.getBoundingClientRect();
    if (box.left < names.right) scroller.scrollLeft += box.left - names.right - MARGIN;
    else if (box.right > outer.right) scroller.scrollLeft += box.right - outer.right + MARGIN;
    if (cell.dataset['layer'] === '') return;
    if (box.top < top.bottom) scroller.scrollTop += box.top - top.bottom - MARGIN;
    else if (box.bottom > outer.bottom) scroller.scrollTop += box.bottom - outer.bottom + MARGIN;
  }

  #mergedRow(state: State, selected: string | undefined): HTMLElement {
    const cells = this.#model.columns.map((column, at) => {
      const cell = mergedCell(column, at, selected, this.#hues);
      cell.addEventListener('click', () => this.#actions.select(column.path, undefined, mergedText(column)));
      return cell;
    });
    const head = el(
      'div',
      { role: 'rowheader', class: 'head' },
      el('b', {}, 'the union'),
      el('span', {}, `seen by ${state.active}`),
    );
    return el('div', { role: 'row', class: 'row merged', 'aria-rowindex': 1 }, head, ...cells);
  }

  #sheet(layer: LayerState, at: number, state: State, selected: string | undefined): HTMLElement {
    const beside = at >= this.#model.sheets.length;
    const cells = this.#model.columns.map((column, index) => {
      const cell = column.cells[at]!;
      const drawn = layerCell(column, cell, index, selected);
      drawn.addEventListener('click', () =>
        this.#actions.select(column.path, layer.name, cellText(cell, column.path)),
      );
      return drawn;
    });
    const kinds = [
      layer.upperOf !== undefined && 'upper',
      layer.hidden === true && 'is-hidden',
      beside && 'beside',
    ];
    const head = sheetHead(layer, state, this.#hues, this.#actions, {
      beside,
      arrangeable: this.arrangeable,
      ids: this.ids,
      isLow: this.counted && this.#model.sheets.length + this.#model.beside.length >= MANY,
    });
    const row = el(
      'div',
      {
        role: 'row',
        class: ['row sheet', ...kinds.filter((one) => one !== false)].join(' '),
        'aria-rowindex': at + 2,
        'data-name': layer.name,
      },
      head,
      ...cells,
    );
    row.style.setProperty('--hue', this.#hues.of(layer.name));
    return row;
  }

  /** Where there are several: whose view it is, and the others to turn to. */
  #drawContainers(state: State): void {
    const place = byId('containers');
    const had = place.contains(document.activeElement);
    const { containers } = state;
    const all = (containers.length < 2 ? [] : containers).map((container) => {
      const made = button('', () => this.#actions.run(`use ${container.name}`), {
        class: 'container',
        'aria-pressed': container.name === state.active,
      });
      made.append(layerName(container.name, this.#hues), `: ${containerText(container, state)}`);
      return made;
    });
    place.replaceChildren(...all);
    if (had) all.find((one) => one.ariaPressed === 'true')?.focus();
  }

  /** The column of what the pointer or the focus is on stands out. */
  #markColumn(target: EventTarget | null, on: boolean): void {
    const cell = target instanceof Element ? target.closest<HTMLElement>('[role=gridcell]') : null;
    if (cell === null) return;
    for (const one of this.#grid.querySelectorAll(`[data-key="${cell.dataset['key']}"]`))
      one.classList.toggle('over', on);
  }

  #drawRedirects(): void {
    this.#arrows.querySelector('.redirects')?.remove();
    const isWrapped = matchMedia('(max-width: 640px)').matches;
    const edge = this.#grid.getBoundingClientRect().right - this.#over.getBoundingClientRect().left + 1;
    const box = (path: string, layer: string | undefined) => this.#box(path, layer);
    this.#arrows.append(redirectArrows(this.#model.sheets, { box, edge: isWrapped ? edge : undefined }));
  }
}
