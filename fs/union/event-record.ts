// An event as a record of the ring: a head of 32 bytes, the amounts that it has, path and layer. Nothing is allocated for
// one of a request, and its path is written from the two parts that the union has of it.
//
//   0 units  4 code  5 flags  6 errno  8 number  16 time  24 length of the path  28 of the layer  32 amounts, path, layer

import { type ByteString, fromBytes } from '../name.js';
import { AMOUNTS, type EventKind, KINDS, type NewEvent, type SeenEvent, type UnionEvent } from './event.js';
import { isFiller, LITTLE, type RingWriter, recordEnd } from './event-ring.js';
import { OPERATIONS, type Operation, UNTOLD } from './operation.js';
import type { Place } from './place.js';

const HEAD_BYTES = 32;

/** What a code stands for: a kind, and after these a request of an operation. */
export const CODES: readonly string[] = [...KINDS, ...OPERATIONS];

/** What an event may be called: the kinds, and the operations of which requests are told. */
export const EVENT_NAMES: readonly string[] = CODES.filter(
  (code) => !(UNTOLD as ReadonlySet<string>).has(code),
);

/** `AMOUNTS` have one bit of the flags each, lowest first; a number that is there follows the head, in this order. */
const DURATION = 1;
const BYTES = 2;

export function codeOf(operation: Operation): number {
  return KINDS.length + OPERATIONS.indexOf(operation);
}

/** A request that took `durationNs`; `errno` 0 for one that did not fail, `bytes` -1 for one that moves none. */
export function putRequest(
  ring: RingWriter,
  seq: number,
  code: number,
  { dir, name }: Place,
  timeNs: number,
  durationNs: number,
  errno: number,
  bytes: number,
): void {
  const slash = dir !== '' && name !== '' ? 1 : 0;
  const length = dir.length + slash + name.length;
  const flags = bytes < 0 ? DURATION : DURATION | BYTES;
  const units = unitsFor(bytes < 0 ? 1 : 2, length);
  const at = ring.begin(units, code, flags, errno, seq);
  if (at < 0) return;
  putHead(ring, at, timeNs, length, 0);
  let next = at + HEAD_BYTES / 8;
  ring.doubles[next++] = durationNs;
  if (bytes >= 0) ring.doubles[next++] = bytes;
  putText(ring.bytes, 8 * next, dir);
  if (slash === 1) ring.bytes[8 * next + dir.length] = SLASH;
  putText(ring.bytes, 8 * next + dir.length + slash, name);
  ring.publish(units);
}

const SLASH = 0x2f;

/** Any event. */
export function putEvent(ring: RingWriter, seq: number, timeNs: number, event: NewEvent): void {
  const { kind, operation, path, layer = '', errno = 0 } = event;
  let flags = 0;
  const amounts: number[] = [];
  AMOUNTS.forEach((amount, bit) => {
    const value = event[amount];
    if (value === undefined) return;
    flags |= 1 << bit;
    amounts.push(value);
  });
  const units = unitsFor(amounts.length, path.length + layer.length);
  const code = operation === undefined ? KINDS.indexOf(kind) : codeOf(operation);
  const at = ring.begin(units, code, flags, errno, seq);
  if (at < 0) return;
  putHead(ring, at, timeNs, path.length, layer.length);
  ring.doubles.set(amounts, at + HEAD_BYTES / 8);
  const text = 8 * (at + amounts.length) + HEAD_BYTES;
  putText(ring.bytes, text, path);
  putText(ring.bytes, text + path.length, layer);
  ring.publish(units);
}

function unitsFor(amounts: number, text: number): number {
  return HEAD_BYTES / 8 + amounts + Math.ceil(text / 8);
}

function putHead(
  { doubles, words }: RingWriter,
  at: number,
  timeNs: number,
  path: number,
  layer: number,
): void {
  doubles[at + 2] = timeNs;
  words[2 * at + 6] = path;
  words[2 * at + 7] = layer;
}

function putText(bytes: Uint8Array, at: number, text: ByteString): void {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
}

/** The events of records that a `RingReader` has copied, by whichever `codes` their writer had. */
export function* readEvents(
  records: Uint8Array,
  codes: readonly string[] = CODES,
): Generator<UnionEvent, void> {
  const cursor = new EventCursor(records, codes);
  while (cursor.next()) yield cursor.event();
}

/**
 * Goes through the same records, and makes nothing of the event that it stands at but what is asked for: those who only
 * count take a fraction of the time, and leave nothing to be collected.
 */
export class EventCursor implements SeenEvent {
  readonly #view: DataView;
  readonly #texts: Texts;
  readonly #names: readonly Name[];
  #at = 0;
  #end = 0;

  /** Stands before the first event. */
  constructor(records: Uint8Array, codes: readonly string[] = CODES) {
    this.#view = new DataView(records.buffer, records.byteOffset, records.length);
    this.#texts = new Texts(records);
    this.#names = codes.map(nameOf);
  }

  /** Stands at the next event then; false if there is none. */
  next(): boolean {
    do {
      if (this.#end >= this.#view.byteLength) return false;
      this.#at = this.#end;
      this.#end = recordEnd(this.#view, this.#at);
    } while (isFiller(this.#view, this.#at));
    return true;
  }

  /** What it is called, as a number below 256: one for each kind, and for the requests of each operation. */
  get code(): number {
    return this.#view.getUint8(this.#at + 4);
  }

  get seq(): number {
    return this.#view.getFloat64(this.#at + 8, LITTLE);
  }

  get timeNs(): number {
    return this.#view.getFloat64(this.#at + 16, LITTLE);
  }

  get kind(): EventKind {
    return this.#name.kind;
  }

  get operation(): string | undefined {
    return this.#name.operation;
  }

  get errno(): number | undefined {
    const errno = this.#view.getUint16(this.#at + 6, LITTLE);
    return errno === 0 ? undefined : errno;
  }

  get durationNs(): number | undefined {
    return this.#amount(0);
  }

  get bytes(): number | undefined {
    return this.#amount(1);
  }

  get bytesCopied(): number | undefined {
    return this.#amount(2);
  }

  get bytesSaved(): number | undefined {
    return this.#amount(3);
  }

  get parts(): number | undefined {
    return this.#amount(4);
  }

  get path(): ByteString {
    const start = this.#text;
    return this.#texts.between(start, start + this.#pathLength);
  }

  /**
   * A number for the path: 0 for the root and no other, the same for the same path, and for others another one, as far as
   * 53 bits can tell. It takes a fraction of the time that the text takes.
   */
  get pathHash(): number {
    const length = this.#pathLength;
    return length === 0 ? 0 : hashOf(this.#view, this.#text, length);
  }

  get layer(): string | undefined {
    const start = this.#text + this.#pathLength;
    const length = this.#view.getUint32(this.#at + 28, LITTLE);
    return length === 0 ? undefined : this.#texts.between(start, start + length);
  }

  /** What is known of the event, for good. */
  event(): UnionEvent {
    const event: Writable<UnionEvent> = {
      seq: this.seq,
      timeNs: this.timeNs,
      kind: this.kind,
      path: this.path,
    };
    const { operation, errno, layer } = this;
    if (operation !== undefined) event.operation = operation;
    if (errno !== undefined) event.errno = errno;
    AMOUNTS.forEach((name, bit) => {
      const amount = this.#amount(bit);
      if (amount !== undefined) event[name] = amount;
    });
    if (layer !== undefined) event.layer = layer;
    return event;
  }

  get #name(): Name {
    return this.#names[this.code]!;
  }

  get #flags(): number {
    return this.#view.getUint8(this.#at + 5);
  }

  get #text(): number {
    return this.#at + HEAD_BYTES + 8 * COUNTS[this.#flags]!;
  }

  get #pathLength(): number {
    return this.#view.getUint32(this.#at + 24, LITTLE);
  }

  #amount(bit: number): number | undefined {
    const flags = this.#flags;
    if ((flags & (1 << bit)) === 0) return undefined;
    const before = COUNTS[flags & ((1 << bit) - 1)]!;
    return this.#view.getFloat64(this.#at + HEAD_BYTES + 8 * before, LITTLE);
  }
}

/**
 * Of `length` bytes at `at`, 4 at a time; the record goes on to where the last 4 end, with anything. What 4 bytes are is
 * spread over all bits first (the finalizer of MurmurHash3), since names differ in few.
 */
function hashOf(view: DataView, at: number, length: number): number {
  let low = length;
  let high = ~length;
  for (let done = 0; done < length; done += 4) {
    let four = view.getUint32(at + done, true);
    const left = length - done;
    if (left < 4) four &= (1 << (8 * left)) - 1;
    four = Math.imul(four ^ (four >>> 16), 0x85ebca6b);
    four = Math.imul(four ^ (four >>> 13), 0xc2b2ae35);
    four ^= four >>> 16;
    low = Math.imul(low ^ four, 0x9e3779b1);
    low ^= low >>> 15;
    high = Math.imul(high ^ four, 0x5f356495);
    high = (high << 13) | (high >>> 19);
  }
  return (high & 0x1f_ffff) * 2 ** 32 + (low >>> 0) || 1;
}

/** How many bits are set in the flags of a record. */
const COUNTS = Uint8Array.from({ length: 256 }, (_, flags) => {
  let count = 0;
  for (let left = flags; left !== 0; left >>= 1) count += left & 1;
  return count;
});

/** Requests for one path come in a row, and its text is made once for them. */
class Texts {
  readonly #bytes: Uint8Array;
  #last = '';
  #lastStart = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  between(start: number, end: number): ByteString {
    if (!this.#isLast(start, end)) {
      this.#last = fromBytes(this.#bytes, start, end);
      this.#lastStart = start;
    }
    return this.#last;
  }

  #isLast(start: number, end: number): boolean {
    if (end - start !== this.#last.length) return false;
    const ahead = start - this.#lastStart;
    for (let at = end - 1; at >= start; at--) {
      if (this.#bytes[at] !== this.#bytes[at - ahead]) return false;
    }
    return true;
  }
}

type Name = Pick<UnionEvent, 'kind' | 'operation'>;

function nameOf(code: string): Name {
  const isKind = (KINDS as readonly string[]).includes(code);
  return isKind ? { kind: code as EventKind } : { kind: 'request', operation: code };
}

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };
