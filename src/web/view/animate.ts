// What happened, moving: a lookup falls through the sheets, a copy-up rises as bytes, a whiteout is laid over a name, an
// upper freezes. It only shows what the events say, before the new state is drawn. Who wants no motion gets the same as a
// caption and marks that stay for a moment.

import type { Explanation, UnionEvent } from '../../../fs/memory.js';
import { sizeText } from '../amounts.js';
import type { Ran, State } from '../model.js';
import { byId, calm, svg } from './dom.js';
import type { PictureView } from './picture.js';
import { asTyped } from './told.js';
import { eventText, lookupText } from './words.js';

/** Of more changes the first ones are shown, and the last. */
const MOST_PLAYED = 12;

/** How long a step takes, in milliseconds; `step` waits for the reader. */
export type Pace = 'slow' | 'normal' | 'instant' | 'step';

const STEP_MS: Readonly<Record<Pace, number>> = { slow: 1100, normal: 420, instant: 0, step: 600 };

export class Player {
  readonly #picture: PictureView;
  readonly #caption = byId('caption');
  readonly #next = byId<HTMLButtonElement>('next');
  pace: Pace = 'normal';
  #skip: (() => void) | undefined;
  /** Where the focus was before the steps were gone through. */
  #cameFrom: Element | null = null;

  constructor(picture: PictureView) {
    this.#picture = picture;
    this.#next.addEventListener('click', () => this.#skip?.());
  }

  /** Shows what a command did, on the picture as it was before. */
  async play(ran: Ran): Promise<void> {
    const { looked, events, state } = ran;
    const named = asTyped(ran);
    if (looked !== undefined) await this.#lookup(looked);
    const all = told(events);
    const hidden = Math.max(all.length - MOST_PLAYED, 0);
    for (const [at, event] of all.entries()) {
      if (at >= MOST_PLAYED - 1 && at < all.length - 1) continue;
      const isLast = hidden > 0 && at === all.length - 1;
      this.say(`${isLast ? `After ${hidden} other changes: ` : ''}${eventText(named(event))}`);
      // What is not drawn itself is shown at the folder that it is in.
      const path = this.#picture.columnOf(event.path) ?? event.path;
      this.#picture.reveal(path, event.layer);
      await this.#show({ ...event, path });
      await this.#pause(0.6);
    }
    await this.#vanish(state);
    this.#clear();
    this.#letGo();
  }

  /** Between two commands: time to read what was said of the first. */
  async breathe(): Promise<void> {
    await this.#pause(2);
    this.#letGo();
  }

  say(text: string): void {
    this.#caption.textContent = text;
  }

  async #lookup(explanation: Explanation): Promise<void> {
    const { path, layers, result } = explanation;
    const column = this.#picture.columnOf(path);
    this.say(lookupText(explanation));
    if (column === undefined) return this.#pause(0.5);
    this.#picture.reveal(column, undefined);
    const dot = svg('circle', { r: 9, class: 'dot' });
    const from = this.#picture.place(column, undefined);
    if (from !== undefined && this.pace !== 'instant') this.#picture.over.append(dot);
    let at = from;
    for (const { id, finding } of layers) {
      if (finding === 'not-looked') break;
      this.#picture.reveal(column, id);
      const to = this.#picture.place(column, id);
      if (to === undefined) continue;
      if (at !== undefined) await this.#move(dot, at, to, 0.55);
      at = to;
      const isEnd = result === 'absent' ? finding === 'whiteout' : id === result.layer;
      this.#mark(column, id, isEnd ? (finding === 'whiteout' ? 'stopped' : 'found') : 'passed');
      await this.#pause(0.15);
    }
    // Back up with the answer.
    if (result !== 'absent' && at !== undefined && from !== undefined) await this.#move(dot, at, from, 0.5);
    dot.remove();
    this.#mark(column, undefined, result === 'absent' ? 'stopped' : 'found');
    await this.#pause(0.4);
  }

  async #show(event: UnionEvent): Promise<void> {
    const { kind, path, layer } = event;
    if (kind === 'copy-up') return this.#copyUp(event);
    if (kind === 'commit') return this.#frost();
    if (kind === 'merge') {
      for (const cell of this.#cellsOf(path)) cell.classList.add('found');
      return this.#pause(0.5);
    }
    this.#mark(path, layer, kind === 'whiteout' ? 'laid' : kind === 'opaque' ? 'veiled' : 'found');
    return this.#pause(0.7);
  }

  async #copyUp({ path, layer, bytesCopied = 0, bytesSaved = 0 }: UnionEvent): Promise<void> {
    const to = this.#picture.place(path, layer);
    const source = this.#cellsOf(path).findLast(
      (cell) => !/nothing|whiteout/.test(cell.className) && cell.dataset['layer'] !== layer,
    );
    const from = source && this.#picture.place(path, source.dataset['layer']);
    if (to === undefined || source === undefined || from === undefined || this.pace === 'instant') return;
    source.classList.add('found');
    const text = bytesCopied > 0 ? sizeText(bytesCopied) : bytesSaved > 0 ? 'no data' : 'folder';
    const count = bytesCopied > 0 ? 7 : 1;
    const moves = Array.from({ length: count }, (_, at) => {
      const byte = svg('rect', { width: 12, height: 12, rx: 3, x: -6, y: -6, class: 'byte' });
      this.#picture.over.append(byte);
      const aside = (at - (count - 1) / 2) * 9;
      const start = { x: from.x + aside, y: from.y };
      return this.#move(byte, start, { x: to.x + aside, y: to.y }, 1, at * 0.08).then(() => byte.remove());
    });
    const label = svg('text', { class: 'bytes', 'text-anchor': 'middle' }, text);
    this.#picture.over.append(label);
    await Promise.all([
      ...moves,
      this.#move(label, { x: from.x, y: from.y - 14 }, { x: to.x, y: to.y - 14 }, 1, 0.1),
    ]);
    label.remove();
    this.#mark(path, layer, 'found');
  }

  async #frost(): Promise<void> {
    document.querySelector('.sheet.upper')?.classList.add('freezing');
    await this.#pause(1.4);
  }

  /** Sheets that are no more: what gc removed, and the upper of a container that ended. */
  async #vanish({ layers }: State): Promise<void> {
    const left = new Set(layers.map(({ name }) => name));
    const gone = this.#picture.drawn.filter((sheet) => !left.has(sheet.dataset['name'] ?? ''));
    if (gone.length === 0) return;
    const names = gone.map((sheet) => sheet.dataset['name']).join(', ');
    this.say(`Removed: ${names}.`);
    for (const sheet of gone) sheet.classList.add('vanishing');
    await this.#pause(2.5);
  }

  #cellsOf(path: string): HTMLElement[] {
    const all = document.querySelectorAll<HTMLElement>('#grid .sheet [role=gridcell]');
    return [...all].filter((cell) => cell.dataset['path'] === path);
  }

  #mark(path: string, layer: string | undefined, name: string): void {
    this.#picture.cell(path, layer)?.classList.add(name);
  }

  #clear(): void {
    const names = ['found', 'passed', 'stopped', 'laid', 'veiled'];
    for (const cell of document.querySelectorAll('#grid .cell')) cell.classList.remove(...names);
  }

  async #move(what: SVGElement, from: Point, to: Point, steps: number, delay = 0): Promise<void> {
    const at = ({ x, y }: Point) => `translate(${x}px, ${y}px)`;
    if (this.pace === 'instant') return;
    if (calm()) {
      what.style.transform = at(to);
      return this.#pause(0.3);
    }
    const duration = STEP_MS[this.pace] * steps;
    const moving = what.animate([{ transform: at(from) }, { transform: at(to) }], {
      duration,
      delay: STEP_MS[this.pace] * delay,
      easing: 'ease-in-out',
      fill: 'both',
    });
    await moving.finished;
  }

  /** Waits for some steps, or for the reader where he goes step by step. */
  #pause(steps: number): Promise<void> {
    const ms = STEP_MS[this.pace] * steps;
    if (this.pace === 'instant') return Promise.resolve();
    if (this.pace === 'step' && steps > 0.3) {
      this.#offerNext();
      return new Promise((resolve) => {
        this.#skip = () => {
          this.#skip = undefined;
          resolve();
        };
      });
    }
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** Who goes step by step has the button under the hand, and stays on it until all is shown. */
  #offerNext(): void {
    if (!this.#next.hidden) return;
    this.#cameFrom = document.activeElement;
    this.#next.hidden = false;
    this.#next.focus();
  }

  #letGo(): void {
    if (this.#next.hidden) return;
    const had = document.activeElement === this.#next;
    this.#next.hidden = true;
    if (had && this.#cameFrom instanceof HTMLElement) this.#cameFrom.focus();
  }
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** What is worth a picture of its own. */
function told(events: readonly UnionEvent[]): readonly UnionEvent[] {
  const drawn = events.filter((event) => eventText(event) !== undefined);
  return drawn.filter((event, at) => !(event.kind === 'merge' && drawn[at - 1]?.path === event.path));
}
