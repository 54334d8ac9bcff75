// The last events of a union as bytes in one buffer, which may be shared: one thread writes, others read whenever they
// like and never make it wait. A record is written where the oldest ones lie, and these are given up first:
//
//   the writer   moves the tail past what it is going to overwrite, writes, and then moves the head
//   a reader     copies from the tail to the head, and then throws away what is before the tail as it is by now
//
// Positions count units of 8 bytes for ever, modulo 2^32. A record is whole: what is left at the end of the buffer and
// is too short for one is filled up.

/** Of the buffer, before the records. */
const STATE_BYTES = 64;
const HEAD = 0;
const TAIL = 1;
/** Where the newest record begins. */
const LAST = 2;

/** Of a record, in bytes: its units (u32), its code (u8), flags (u8), errno (u16), then its number (f64). */
const CODE = 4;
const NUMBER = 8;
/** The code of what fills up. */
const FILLER = 255;

/** Buffers have room for so many bytes an event, and at least for the longest paths. */
const BYTES_AN_EVENT = 64;
const LEAST_BYTES = 1 << 16;

/** How long the buffer of a ring for so many events is. */
export function ringBytes(events: number): number {
  return STATE_BYTES + Math.max(LEAST_BYTES, 2 ** Math.ceil(Math.log2(events * BYTES_AN_EVENT)));
}

class Views {
  readonly state: Int32Array;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly doubles: Float64Array;
  /** In units; a power of two. */
  readonly size: number;

  constructor(buffer: ArrayBufferLike) {
    this.size = (buffer.byteLength - STATE_BYTES) / 8;
    if (!Number.isInteger(Math.log2(this.size))) throw new RangeError('no buffer of a ring');
    this.state = new Int32Array(buffer, 0, STATE_BYTES / 4);
    this.bytes = new Uint8Array(buffer, STATE_BYTES);
    this.words = new Uint32Array(buffer, STATE_BYTES);
    this.doubles = new Float64Array(buffer, STATE_BYTES);
  }
}

/** The writing end; there is one. */
export class RingWriter {
  readonly #views: Views;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly doubles: Float64Array;
  readonly #most: number;
  #head = 0;
  #tail = 0;
  #kept = 0;

  /** Keeps up to `most` events in a new buffer of `ringBytes`. */
  constructor(buffer: ArrayBufferLike, most: number) {
    this.#views = new Views(buffer);
    this.#most = most;
    ({ bytes: this.bytes, words: this.words, doubles: this.doubles } = this.#views);
  }

  /**
   * Makes room for a record of `units`, of which the first two are filled here; returns its first unit, or -1 for one that
   * is too long to be kept. To be followed by `publish`.
   */
  begin(units: number, code: number, flags: number, errno: number, seq: number): number {
    const { size } = this.#views;
    if (units > size / 2) return -1;
    const left = size - (this.#head & (size - 1));
    const filler = units > left ? left : 0;
    this.#makeRoom(units + filler);
    if (filler > 0) {
      this.#put(this.#head & (size - 1), filler, FILLER);
      this.#head = (this.#head + filler) | 0;
    }
    const at = this.#head & (size - 1);
    this.#put(at, units, code | (flags << 8) | (errno << 16));
    this.doubles[at + 1] = seq;
    return at;
  }

  /** The record is written. */
  publish(units: number): void {
    Atomics.store(this.#views.state, LAST, this.#head);
    this.#head = (this.#head + units) | 0;
    this.#kept++;
    Atomics.store(this.#views.state, HEAD, this.#head);
  }

  #put(at: number, units: number, second: number): void {
    this.words[2 * at] = units;
    this.words[2 * at + 1] = second;
  }

  #makeRoom(units: number): void {
    const { size } = this.#views;
    const before = this.#tail;
    while (this.#kept >= this.#most || ((this.#head - this.#tail) | 0) + units > size) {
      const at = this.#tail & (size - 1);
      if ((this.words[2 * at + 1]! & 255) !== FILLER) this.#kept--;
      this.#tail = (this.#tail + this.words[2 * at]!) | 0;
    }
    if (this.#tail !== before) Atomics.store(this.#views.state, TAIL, this.#tail);
  }
}

/** A reading end, on any thread. */
export class RingReader {
  readonly #views: Views;
  /** Where the record after the last one lies that was seen. */
  #next = 0;
  #lastSeq = 0;

  constructor(buffer: ArrayBufferLike) {
    this.#views = new Views(buffer);
  }

  /** The number of the newest event when `after` was last called; 0 before the first. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /**
   * A copy of the records of events after number `seq`, oldest first, with what fills up between them. It lies in `into` if
   * there is room: pages of memory that are new at each look take longer than what is looked for.
   */
  after(seq: number, into?: Uint8Array): Uint8Array {
    const { state } = this.#views;
    const [head, last] = this.#ends();
    const isNext = this.#isNext(seq, head);
    const from = isNext ? this.#next : Atomics.load(state, TAIL);
    const copy = this.#copy(from, head, into);
    // Of what was overwritten meanwhile the copy has anything.
    const begin = 8 * Math.max(0, (Atomics.load(state, TAIL) - from) | 0);
    this.#next = head;
    if (begin >= copy.length) return copy.subarray(copy.length);
    const view = new DataView(copy.buffer, copy.byteOffset, copy.length);
    this.#lastSeq = view.getFloat64(8 * ((last - from) | 0) + NUMBER, LITTLE);
    return copy.subarray(isNext ? begin : firstAfter(view, begin, seq));
  }

  /** Where the next record will lie, and where the newest one does. */
  #ends(): readonly [head: number, last: number] {
    const { state } = this.#views;
    for (;;) {
      const head = Atomics.load(state, HEAD);
      const last = Atomics.load(state, LAST);
      // The writer moves the one, and then the other.
      const isSettled = ((head - last) | 0) > 0 || (head === 0 && last === 0);
      if (isSettled && Atomics.load(state, HEAD) === head) return [head, last];
    }
  }

  /** Whoever asks for what is new gets there without a look at what is old. */
  #isNext(seq: number, head: number): boolean {
    const { state, size, doubles } = this.#views;
    if (seq !== this.#lastSeq || seq === 0) return false;
    if (this.#next === head) return true;
    const at = this.#next & (size - 1);
    // Positions come again after a very long time.
    const isKept = ((this.#next - Atomics.load(state, TAIL)) | 0) >= 0 && ((head - this.#next) | 0) > 0;
    return isKept && doubles[at + 1] === seq + 1;
  }

  #copy(from: number, head: number, into: Uint8Array | undefined): Uint8Array {
    const { bytes, size } = this.#views;
    const units = Math.min(size, Math.max(0, (head - from) | 0));
    const hasRoom = into !== undefined && into.length >= 8 * units;
    const copy = hasRoom ? into.subarray(0, 8 * units) : new Uint8Array(8 * units);
    const at = from & (size - 1);
    const first = Math.min(units, size - at);
    copy.set(bytes.subarray(8 * at, 8 * (at + first)));
    copy.set(bytes.subarray(0, 8 * (units - first)), 8 * first);
    return copy;
  }
}

/** Where the record, or filler, at byte `at` of a copy ends. */
export function recordEnd(copy: DataView, at: number): number {
  return at + 8 * copy.getUint32(at, LITTLE);
}

/** Where the first record from byte `at` on lies whose event has a number above `seq`, or the end of all. */
function firstAfter(copy: DataView, at: number, seq: number): number {
  let next = at;
  while (next < copy.byteLength && (isFiller(copy, next) || copy.getFloat64(next + NUMBER, LITTLE) <= seq))
    next = recordEnd(copy, next);
  return next;
}

export function isFiller(copy: DataView, at: number): boolean {
  return copy.getUint8(at + CODE) === FILLER;
}

/** Whether this machine has the lowest byte first; readers are on the same one. */
export const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
