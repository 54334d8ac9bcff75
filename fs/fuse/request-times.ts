// How long requests took, by kind: what `mica mount --stats` asks for. The time of a request is what the server's thread
// spent on it; what it waited for beside other requests (later.ts) is left out.

import { FUSE_OPCODES } from './abi.js';
import { OPERATIONS } from './operations.js';

/** Requests of one kind. */
export interface RequestTime {
  readonly count: number;
  readonly totalNs: number;
  readonly maxNs: number;
}

export class RequestTimes {
  readonly #counts = new Float64Array(FUSE_OPCODES);
  /** Milliseconds. */
  readonly #total = new Float64Array(FUSE_OPCODES);
  readonly #most = new Float64Array(FUSE_OPCODES);

  /** A request took so many milliseconds. */
  add(opcode: number, ms: number): void {
    this.#counts[opcode]!++;
    this.#total[opcode]! += ms;
    if (ms > this.#most[opcode]!) this.#most[opcode] = ms;
  }

  /** By the names of operations, as `Dispatcher.counts`. */
  byKind(): Record<string, RequestTime> {
    const kinds: Record<string, RequestTime> = {};
    this.#counts.forEach((count, opcode) => {
      const name = OPERATIONS[opcode]?.name;
      if (count === 0 || name === undefined) return;
      const before = kinds[name] ?? { count: 0, totalNs: 0, maxNs: 0 };
      kinds[name] = {
        count: before.count + count,
        totalNs: before.totalNs + nanoseconds(this.#total[opcode]!),
        maxNs: Math.max(before.maxNs, nanoseconds(this.#most[opcode]!)),
      };
    });
    return kinds;
  }
}

function nanoseconds(ms: number): number {
  return Math.round(ms * 1e6);
}
