// The box in which one types, with what was typed and answered before. Arrows go through the history; a few ready-made
// lines about the selected path stand below, for who would rather click.

import type { FileKind } from '../../../fs/memory.js';
import type { State } from '../model.js';
import { button, byId, el } from './dom.js';
import type { Hues } from './hues.js';
import { layerName } from './layer-name.js';

/** Kept for looking back; older ones go. */
const MOST_LINES = 200;

export class Terminal {
  readonly #log = byId('log');
  readonly #input = byId<HTMLInputElement>('line');
  readonly #prompt = byId('prompt');
  readonly #hues: Hues;
  readonly #history: string[] = [];
  /** The container that takes the next line. */
  #active = '';
  #at = 0;

  constructor(hues: Hues, run: (line: string) => void) {
    this.#hues = hues;
    byId('terminal-form').addEventListener('submit', (event) => {
      event.preventDefault();
      const line = this.#input.value.trim();
      if (line === '') return;
      this.#input.value = '';
      run(line);
    });
    this.#input.addEventListener('keydown', (event) => {
      if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return;
      event.preventDefault();
      const to = this.#at + (event.key === 'ArrowUp' ? -1 : 1);
      this.#at = Math.min(Math.max(to, 0), this.#history.length);
      this.#input.value = this.#history[this.#at] ?? '';
    });
  }

  typed(line: string): void {
    this.#history.push(line);
    this.#at = this.#history.length;
    this.#add(el('div', { class: 'typed' }, layerName(this.#active, this.#hues), ` $ ${line}`));
  }

  answered(output: string, failed: boolean): void {
    if (output !== '')
      this.#add(el('pre', { class: failed ? 'failed' : undefined }, output.replace(/\n$/, '')));
  }

  clear(): void {
    this.#log.replaceChildren();
  }

  /** What one could do now. */
  offer(state: State, path: string | undefined, run: (line: string) => void, isLive: boolean): void {
    this.#active = state.active;
    this.#prompt.replaceChildren(layerName(state.active, this.#hues), ' $');
    const entry = state.merged.find((one) => one.path === path);
    const lines = path === undefined ? ['ls', 'help'] : linesFor(path, kindAt(state, path));
    const folders = isLive ? goings(state.focus, entry?.kind === 'folder' ? entry.path : undefined) : [];
    const place = byId('offers');
    const { activeElement } = document;
    const at = activeElement === null ? -1 : [...place.children].indexOf(activeElement);
    const all = [...folders, ...lines].map((line) => button(line, () => run(line)));
    place.replaceChildren(...all);
    if (at >= 0) (all[at] ?? all.at(-1))?.focus();
  }

  #add(line: HTMLElement): void {
    this.#log.append(line);
    while (this.#log.childElementCount > MOST_LINES) this.#log.firstElementChild?.remove();
    this.#log.scrollTop = this.#log.scrollHeight;
  }
}

/** undefined where the union shows nothing. A folder that is looked into is not among what it shows. */
function kindAt({ merged, focus }: State, path: string): FileKind | undefined {
  if (path === focus || focus.startsWith(`${path}/`)) return 'folder';
  return merged.find((one) => one.path === path)?.kind;
}

function linesFor(name: string, kind: FileKind | undefined): string[] {
  const path = quoted(name);
  const [second, link] = [quoted(`${name}-2`), quoted(`${name}-link`)];
  if (kind === undefined) return [`echo new > ${path}`, `mkdir -p ${path}`];
  if (kind === 'folder')
    return [
      `ls ${path}`,
      `echo new > ${quoted(`${name}/new`)}`,
      `mv ${path} ${second}`,
      `rm -r ${path}`,
      `mkdir ${quoted(`${name}/d`)}`,
    ];
  return [
    `cat ${path}`,
    `echo more >> ${path}`,
    `rm ${path}`,
    `mv ${path} ${second}`,
    `chmod 600 ${path}`,
    `ln ${path} ${link}`,
  ];
}

/** A live mount is shown folder by folder. */
function goings(focus: string, folder: string | undefined): string[] {
  return [...(folder === undefined ? [] : [`cd ${quoted(folder)}`]), ...(focus === '' ? [] : ['cd /'])];
}

/** As one word of a line. */
export function quoted(path: string): string {
  return /^[^\s"'\\<>|]+$/.test(path) ? path : `"${path.replace(/["\\]/g, '\\$&')}"`;
}
