// The tabs of browsers that have the page of a lab open, each by a name that it gave itself. A lab of mounts made for it is
// played on by one tab at a time: the last that came has it, and the one before is told. A live mount may be watched by many,
// and each looks where it likes.

import type { Explanation } from '../../../fs/index.js';
import { KeyedLock } from '../../keyed-lock.js';
import type { Lab, Ran, State, Told } from '../../web/model.js';

/** A tab that listens. */
export interface Ear {
  /** Comes first. `turn`: another number whenever the lab may not be as this tab has left it. */
  greet(hello: { readonly turn: number; readonly tookOver: boolean }): void;
  tell(told: Exclude<Told, { kind: 'hello' }>): void;
  /** The tab has gone. */
  readonly signal: AbortSignal;
}

/** Why a question is not answered: another tab has the lab. */
export class TakenError extends Error {
  constructor() {
    super('another tab has taken over this lab');
  }
}

export interface Tabs {
  readonly engine: Lab['engine'];
  /** A tab is told what happens. Resolves when there is nothing more to tell, or nobody to be told. */
  listen(tab: string, ear: Ear): Promise<void>;
  /** What a tab may ask. TakenError from its questions if another one has the lab. */
  labOf(tab: string): Lab;
}

/** One tab at a time, and one question at a time. */
export class OneTab implements Tabs {
  readonly #lab: Lab;
  readonly #lock = new KeyedLock();
  #holder: { readonly tab: string; readonly leave: () => void } | undefined;
  /** Who had it last, the how many-eth. */
  #last = { tab: '', turn: 0 };

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  get engine(): Lab['engine'] {
    return this.#lab.engine;
  }

  async listen(tab: string, { greet, tell, signal }: Ear): Promise<void> {
    const before = this.#holder;
    if (this.#last.tab !== tab) this.#last = { tab, turn: this.#last.turn + 1 };
    const { turn } = this.#last;
    const isTaken = new Promise<boolean>((resolve) => {
      this.#holder = { tab, leave: () => resolve(true) };
      signal.addEventListener('abort', () => resolve(false), { once: true });
    });
    const own = this.#holder;
    before?.leave();
    greet({ turn, tookOver: before !== undefined && before.tab !== tab });
    if (await isTaken) tell({ kind: 'taken' });
    if (this.#holder === own) this.#holder = undefined;
  }

  labOf(tab: string): Lab {
    const asked = <T>(question: () => Promise<T>): Promise<T> =>
      this.#lock.run('', () => {
        if (this.#holder !== undefined && this.#holder.tab !== tab) throw new TakenError();
        return question();
      });
    const lab = this.#lab;
    return {
      engine: lab.engine,
      load: (setup) => asked<State>(() => lab.load(setup)),
      state: (focus) => asked<State>(() => lab.state(focus)),
      run: (line) => asked<Ran>(() => lab.run(line)),
      explain: (path) => asked<Explanation>(() => lab.explain(path)),
    };
  }
}

/** A lab that tells by itself what happens. */
export interface WatchingLab extends Lab {
  /** Until the signal, or until there is nothing more to watch. */
  follow(signal: AbortSignal, tell: Ear['tell']): Promise<void>;
}

/** A lab of its own for each tab. */
export class ManyTabs implements Tabs {
  readonly engine = 'attached';
  readonly #make: () => WatchingLab;
  readonly #labs = new Map<string, WatchingLab>();

  constructor(make: () => WatchingLab) {
    this.#make = make;
  }

  async listen(tab: string, { greet, tell, signal }: Ear): Promise<void> {
    const lab = this.#make();
    this.#labs.set(tab, lab);
    greet({ turn: 0, tookOver: false });
    try {
      await lab.follow(signal, tell);
      if (!signal.aborted) tell({ kind: 'ended' });
    } finally {
      if (this.#labs.get(tab) === lab) this.#labs.delete(tab);
    }
  }

  /** Who does not listen has no place to come back to. */
  labOf(tab: string): Lab {
    return this.#labs.get(tab) ?? this.#make();
  }
}
