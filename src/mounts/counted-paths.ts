// How many paths a trace saw, and which of them somebody looked up. A path is its hash, in a table of fixed size with open
// addressing: a trace may last for days, and tens of thousands of requests a second are noted here.

/** More are not counted. */
const MOST = 100_000;
/** Places; a power of two, less than half of which are taken. */
const PLACES = 2 ** 18;

export class CountedPaths {
  /** 0 where there is none. */
  readonly #hashes = new Float64Array(PLACES);
  readonly #isFound = new Uint8Array(PLACES);
  #size = 0;
  #found = 0;

  get size(): number {
    return this.#size;
  }

  /** How many of them were found by somebody. */
  get found(): number {
    return this.#found;
  }

  /** The path of `hash`, which is not 0, was worked on; `finds`: it was looked up, or made. */
  note(hash: number, finds: boolean): void {
    let place = hash & (PLACES - 1);
    while (this.#hashes[place] !== hash) {
      if (this.#hashes[place] === 0) {
        if (this.#size === MOST) return;
        this.#hashes[place] = hash;
        this.#size++;
      } else place = (place + 1) & (PLACES - 1);
    }
    if (!finds || this.#isFound[place] === 1) return;
    this.#isFound[place] = 1;
    this.#found++;
  }
}
