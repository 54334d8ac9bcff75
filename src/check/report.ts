// What a check of the store finds, and what becomes of it.

import type { StoreError } from '../errors.js';

export interface Problem {
  readonly part:
    | 'metadata'
    | 'namespace'
    | 'snapshot'
    | 'index'
    | 'image'
    | 'blob'
    | 'container'
    | 'layer'
    | 'lease'
    | 'leftover';
  readonly namespace?: string;
  readonly name: string;
  readonly why: string;
  /** `note`: the store is sound all the same. */
  readonly level: 'error' | 'note';
  /** What was done about it. */
  readonly repaired?: string;
  readonly hint?: string;
}

/** How far a long part of it is. */
export interface CheckProgress {
  readonly phase: 'index' | 'content';
  readonly done: number;
  readonly total: number;
}

export interface CheckOptions {
  /** Do what loses nothing. */
  readonly repair?: boolean;
  /** Read every blob and hold it against its digest. */
  readonly verifyContent?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: CheckProgress) => void;
}

export class Report {
  readonly problems: Problem[] = [];
  readonly #options: CheckOptions;

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  /** `repair` says what it has done; it is called if repairing was asked for. */
  async add(problem: Omit<Problem, 'repaired'>, repair?: () => Promise<string> | string): Promise<void> {
    if (repair === undefined || this.#options.repair !== true) this.problems.push(problem);
    else this.problems.push({ ...problem, repaired: await repair() });
  }

  /** What an error of the store says of a part of it. */
  addFailure(problem: Omit<Problem, 'repaired' | 'why' | 'level'>, error: StoreError): void {
    this.problems.push({
      ...problem,
      why: error.why,
      level: 'error',
      ...(error.hint ? { hint: error.hint } : {}),
    });
  }

  get isSound(): boolean {
    return this.problems.every(({ level, repaired }) => level === 'note' || repaired !== undefined);
  }
}
