// Notices what is written to files of an upper without its server (passthrough), of which no event tells, and what of its
// requests makes no event: the files that are shown are looked at, past the mount, now and then.

import { lstatSync } from 'node:fs';
import { join } from 'node:path';

/** How often they are looked at; a look at some hundred files takes a millisecond. */
const EVERY_MS = 500;

export class UpperWatch {
  #top = '';
  #known = new Map<string, string>();
  #next = 0;

  /** From now on these paths of the folder `top` are watched, as they are now. */
  take(top: string, paths: readonly string[]): void {
    this.#top = top;
    this.#known = new Map(paths.map((path) => [path, markOf(join(top, path))]));
  }

  /** True if any of them is not as it was; looks only when it is time. */
  hasChanged(): boolean {
    const now = performance.now();
    if (now < this.#next) return false;
    this.#next = now + EVERY_MS;
    return [...this.#known].some(([path, mark]) => markOf(join(this.#top, path)) !== mark);
  }
}

/** The time of change stands for attributes, names and data; sizes for what is written within one tick of the clock. */
function markOf(path: string): string {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? '' : `${found.ino} ${found.size} ${found.blocks} ${found.ctimeNs}`;
}
