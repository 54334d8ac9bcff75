// What became of the lab behind the page, in plain words on top of it, with what to do; the header says what the page plays
// on, and is no longer true when that is gone.

import type { Lab } from '../model.js';
import type { Link } from '../remote.js';
import { button, byId, el } from './dom.js';

const ENGINES: Readonly<Record<Lab['engine'], string>> = {
  memory: 'a union in this page',
  mount: 'a real mount on this machine',
  attached: 'a live mount',
};

const GONE: Readonly<Record<Exclude<Link, 'here'>, string>> = {
  lost: 'the lab has ended',
  other: 'the lab has ended',
  taken: 'open in another tab',
  ended: 'the mount is gone',
};

/** A sentence, and what to do. */
type Words = readonly [string, ...(Node | string)[]];

export class Notice {
  readonly #box = byId('notice');
  readonly #engine: Lab['engine'];
  readonly #takeBack: () => void;

  constructor(engine: Lab['engine'], takeBack: () => void) {
    this.#engine = engine;
    this.#takeBack = takeBack;
    byId('engine').textContent = ENGINES[engine];
  }

  /** `command`: starts a lab that has ended; `tookOver`: another tab had it until now. */
  show(link: Link, { command, tookOver }: { readonly command: string; readonly tookOver: boolean }): void {
    document.body.toggleAttribute('data-away', link !== 'here');
    byId('engine').textContent = link === 'here' ? ENGINES[this.#engine] : GONE[link];
    const words = this.#wordsFor(link, command, tookOver);
    if (words === undefined) this.clear();
    else this.say(...words);
  }

  #wordsFor(link: Link, command: string, tookOver: boolean): Words | undefined {
    switch (link) {
      case 'here':
        if (!tookOver) return undefined;
        return ['This lab was open in another tab, which has stopped: one at a time can use it.'];
      case 'taken':
        return [
          'Another tab has taken over this lab: one at a time can use it.',
          button('Take it back', this.#takeBack, { class: 'main' }),
          ' What was done here is then begun anew.',
        ];
      case 'lost':
        return [
          'The lab behind this page has ended. Below stands what was last.',
          'Start it again with ',
          el('code', {}, command),
          ' and open the address that it prints; if it answers here again, this page goes on by itself.',
        ];
      case 'other':
        return [
          'The lab behind this page has ended, and another one answers in its place.',
          'Open the address that it printed when it was started.',
        ];
      case 'ended':
        return [
          'The mount is gone. Below stands what was last.',
          'Mount it again, then start the lab again with ',
          el('code', {}, command),
          '.',
        ];
    }
  }

  /** Says it until it is closed, or something else is said. */
  say(...[text, ...what]: Words): void {
    const close = button('Close', () => this.clear(), { class: 'close' });
    this.#box.replaceChildren(el('p', {}, el('b', {}, text), ' ', ...what), close);
    this.#box.hidden = false;
  }

  clear(): void {
    this.#box.hidden = true;
    this.#box.replaceChildren();
  }
}
