// The way from the folder that is drawn to another one: to where the step that is looked at happened, and back. The picture
// never goes there by itself, because whoever looks at it would lose where he is.

import type { State } from '../model.js';
import { byId, el } from './dom.js';

/** What the button leads to: where the step happened, from there back to what was drawn, or out of a folder. */
export type Way = { readonly kind: 'there' | 'back'; readonly folder: string } | { readonly kind: 'out' };

/**
 * `state` is what is drawn, `there` where the step happened if that is not drawn in the state of the step, and `isAside` that
 * it is the one that is drawn now. undefined: there is nowhere to go.
 */
export function wayFrom(
  { focus }: State,
  there: State | undefined,
  { isAside, isNow }: { readonly isAside: boolean; readonly isNow: boolean },
): Way | undefined {
  if (there !== undefined) return { kind: isAside ? 'back' : 'there', folder: isAside ? focus : there.focus };
  // What was is drawn as it was then: another folder of it is not known.
  return focus !== '' && isNow ? { kind: 'out' } : undefined;
}

export class Elsewhere {
  readonly #button = byId<HTMLButtonElement>('elsewhere');
  #way: Way | undefined;

  constructor(go: (way: Way) => void) {
    this.#button.addEventListener('click', () => {
      if (this.#way !== undefined) go(this.#way);
    });
  }

  show(way: Way | undefined): void {
    this.#way = way;
    this.#button.hidden = way === undefined;
    if (way === undefined) return;
    const key = el('kbd', { 'aria-hidden': true }, 'G');
    this.#button.replaceChildren(`${wayText(way)} `, key);
  }
}

function wayText(way: Way): string {
  const folder = way.kind === 'out' || way.folder === '' ? 'the whole mount' : way.folder;
  switch (way.kind) {
    case 'there':
      return `Show ${folder}, where this happened`;
    case 'back':
      return `Back to ${folder}`;
    case 'out':
      return `Show ${folder}`;
  }
}
