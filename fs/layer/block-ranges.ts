// Ranges of bytes, aligned to blocks, ascending and apart from each other.

interface Range {
  readonly from: number;
  readonly end: number;
}

export class BlockRanges {
  #ranges: readonly Range[] = [];

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  add(from: number, end: number): void {
    const apart = this.#ranges.filter((range) => range.end < from || range.from > end);
    const touching = this.#ranges.filter((range) => range.end >= from && range.from <= end);
    const merged = {
      from: Math.min(from, ...touching.map((range) => range.from)),
      end: Math.max(end, ...touching.map((range) => range.end)),
    };
    this.#ranges = [...apart, merged].sort((a, b) => a.from - b.from);
  }

  remove(from: number, end: number): void {
    this.#ranges = this.#ranges.flatMap((range) =>
      [
        { from: range.from, end: Math.min(range.end, from) },
        { from: Math.max(range.from, end), end: range.end },
      ].filter((left) => left.from < left.end),
    );
  }

  /** The end of the range that has the byte `at`; undefined if none has it. */
  endOf(at: number): number | undefined {
    return this.#ranges.find(({ from, end }) => from <= at && at < end)?.end;
  }

  /** Where the next range behind the byte `at` begins; undefined if there is none. */
  startAfter(at: number): number | undefined {
    return this.#ranges.find(({ from }) => from > at)?.from;
  }
}
