// How many paths a trace saw, and which of them somebody looked up. A path is its hash, in a table with open addressing: a
// trace may last for days, and tens of thousands of requests a second are noted here. The table grows with what is in it,
// since the first look at each page of memory takes as long as some fifty paths.

/** More are not counted. */
const MOST = 100_000;
/** Places at first; there are always a power of two, at most half of which are taken. */
const PLACES = 2 ** 10;

export class CountedPaths {
  /** 0 where there is none. */
  #hashes = new Float64Array(PLACES);
  #isFound = new Uint8Array(PLACES);
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
    let place = this.#placeOf(hash);
    if (this.#hashes[place] === 0) {
      if (this.#size === MOST) return;
      if (2 * this.#size === this.#hashes.length) {
        this.#grow();
        place = this.#placeOf(hash);
      }
      this.#hashes[place] = hash;
      this.#size++;
    }
    if (!finds || this.#isFound[place] === 1) return;
    this.#isFound[place] = 1;
    this.#found++;
  }

  /** Where `hash` is, or would be. */
  #placeOf(hash: number): number {
    const hashes = this.#hashes;
    const last = hashes.length - 1;
    let place = hash & last;
    while (hashes[place] !== 0 && hashes[place] !== hash) place = (place + 1) & last;
    return place;
  }

  #grow(): void {
    const [hashes, isFound] = [this.#hashes, this.#isFound];
    this.#hashes = new Float64Array(2 * hashes.length);
    this.#isFound = new Uint8Array(2 * hashes.length);
    hashes.forEach((hash, at) => {
      if (hash === 0) return;
      const place = this.#placeOf(hash);
      this.#hashes[place] = hash;
      this.#isFound[place] = isFound[at]!;
    });
  }
}
