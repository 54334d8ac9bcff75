// Which owner a mount shows for an id that its layers store, and which id it stores for an owner that a caller
// names. Two steps, and each may be left out: the ranges of a map, and squashing, which shows ids of nobody in
// particular as the mounter. What the layers store is never changed by either.

/** `count` ids from `stored` on are shown as those from `shown` on. */
export interface IdRange {
  readonly stored: number;
  readonly shown: number;
  readonly count: number;
}

/**
 * Which ids are shown as one: `unmapped`, those that the mount's user namespace has no number for (the kernel then
 * refuses to change what they own, without asking the filesystem); `all`; `none`.
 */
export type Squash = 'unmapped' | 'all' | 'none';

export const SQUASHES: readonly Squash[] = ['unmapped', 'all', 'none'];

/** What is asked for, for users or for groups. */
export interface IdRules {
  /** An id in none of them is shown as OVERFLOW_ID. No ranges at all: ids are shown as they are stored. */
  readonly ranges?: readonly IdRange[];
  /** Default `unmapped`. */
  readonly squash?: Squash;
  /** Whom squashed ids are shown as; default the mounter. */
  readonly squashTo?: number;
}

export interface OwnerRules {
  readonly uids: IdRules;
  readonly gids: IdRules;
}

/** `count` ids from `first` on. */
export interface IdSpan {
  readonly first: number;
  readonly count: number;
}

/** The kernel's number for an owner that has none (user_namespaces(7), overflowuid). */
export const OVERFLOW_ID = 65534;

/** All ids but -1, which is none. */
export const ID_COUNT = 4294967295;

export class IdMap {
  readonly #ranges: readonly IdRange[];
  readonly #squashed: 'all' | 'unmapped' | undefined;
  readonly #squashTo: number;
  readonly #numbers: readonly IdSpan[];

  /** @param mounter whom squashed ids are shown as unless told; @param numbers the ids that the mount's user namespace has */
  constructor(rules: IdRules, mounter: number, numbers: readonly IdSpan[]) {
    this.#ranges = rules.ranges ?? [];
    this.#squashTo = rules.squashTo ?? mounter;
    this.#numbers = numbers;
    const { squash = 'unmapped' } = rules;
    const complete = numbers.some(({ first, count }) => first === 0 && count >= ID_COUNT);
    this.#squashed = squash === 'none' || (squash === 'unmapped' && complete) ? undefined : squash;
  }

  /** True if every id is shown as it is stored. */
  get isIdentity(): boolean {
    return this.#ranges.length === 0 && this.#squashed === undefined;
  }

  shown(stored: number): number {
    if (this.#squashed === 'all') return this.#squashTo;
    const mapped = this.#ranges.length === 0 ? stored : this.#mapped(stored);
    return this.#squashed === undefined || this.#hasNumber(mapped) ? mapped : this.#squashTo;
  }

  /** What to store for an owner that a caller names; undefined for one that the map does not reach. */
  stored(shown: number): number | undefined {
    if (this.#ranges.length === 0) return shown;
    for (const { stored, shown: first, count } of this.#ranges) {
      if (shown >= first && shown < first + count) return stored + (shown - first);
    }
    return undefined;
  }

  #mapped(id: number): number {
    for (const { stored, shown, count } of this.#ranges) {
      if (id >= stored && id < stored + count) return shown + (id - stored);
    }
    return OVERFLOW_ID;
  }

  #hasNumber(id: number): boolean {
    for (const { first, count } of this.#numbers) if (id >= first && id < first + count) return true;
    return false;
  }
}
