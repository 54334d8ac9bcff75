// An event as a record of the ring: a head of 32 bytes, the amounts that it has, path and layer. Nothing is allocated for
// one of a request, and its path is written from the two parts that the union has of it.
//
//   0 units  4 code  5 flags  6 errno  8 number  16 time  24 length of the path  28 of the layer  32 amounts, path, layer

import { type ByteString, fromBytes } from '../name.js';
import { type EventKind, KINDS, type NewEvent, type UnionEvent } from './event.js';
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

/** One bit of the flags each, lowest first; a number that is there follows the head, in this order. */
const AMOUNTS = ['durationNs', 'bytes', 'bytesCopied', 'bytesSaved', 'parts'] as const;
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

/**
 * The events of records that a `RingReader` has copied, by whichever `codes` their writer had; each is made when it is
 * asked for, so that those who only count have none of them left to collect.
 */
export function* readEvents(
  records: Uint8Array,
  codes: readonly string[] = CODES,
): Generator<UnionEvent, void> {
  const view = new DataView(records.buffer, records.byteOffset, records.length);
  const texts = new Texts(records);
  const names = codes.map(nameOf);
  for (let at = 0; at < records.length; at = recordEnd(view, at)) {
    if (!isFiller(view, at)) yield readEvent(view, texts, at, names);
  }
}

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

function readEvent(view: DataView, texts: Texts, at: number, names: readonly Name[]): UnionEvent {
  const { kind, operation } = names[view.getUint8(at + 4)]!;
  const flags = view.getUint8(at + 5);
  const errno = view.getUint16(at + 6, LITTLE);
  const event: Writable<UnionEvent> = {
    seq: view.getFloat64(at + 8, LITTLE),
    timeNs: view.getFloat64(at + 16, LITTLE),
    kind,
    path: '',
  };
  if (operation !== undefined) event.operation = operation;
  if (errno !== 0) event.errno = errno;
  let next = at + HEAD_BYTES;
  for (let bit = 0; bit < AMOUNTS.length; bit++) {
    if ((flags & (1 << bit)) === 0) continue;
    event[AMOUNTS[bit]!] = view.getFloat64(next, LITTLE);
    next += 8;
  }
  const pathEnd = next + view.getUint32(at + 24, LITTLE);
  const layerEnd = pathEnd + view.getUint32(at + 28, LITTLE);
  event.path = texts.between(next, pathEnd);
  if (layerEnd > pathEnd) event.layer = texts.between(pathEnd, layerEnd);
  return event;
}
