// Events as bytes: what is read is what was written, whatever was overwritten meanwhile.

import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import type { NewEvent } from '../../../fs/union/event.js';
import { EventCursor, readEvents } from '../../../fs/union/event-record.js';
import { RingReader, ringBytes } from '../../../fs/union/event-ring.js';
import { EventStream } from '../../../fs/union/event-stream.js';
import '../../seed.js';

const CAPACITY = 64;

function make() {
  const memory = new ArrayBuffer(ringBytes(CAPACITY));
  return { stream: new EventStream(CAPACITY, memory), reader: new RingReader(memory), memory };
}

const event = fc.record<NewEvent>(
  {
    kind: fc.constantFrom('copy-up', 'whiteout', 'commit'),
    path: fc.nat(3000).map((length) => 'p\u00ff/'.repeat(length)),
    layer: fc.constantFrom('', 'sha256:0'),
    bytesCopied: fc.nat(),
    errno: fc.integer({ min: 1, max: 4095 }),
    durationNs: fc.nat(),
  },
  { requiredKeys: ['kind', 'path'] },
);

test('a reader that comes at any moment has the newest events, whole and without a gap', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(event, fc.boolean()), { maxLength: 200 }), (steps) => {
      const { stream, reader } = make();
      let seen = 0;
      let lost = 0;
      const told: NewEvent[] = [];
      for (const [next, isRead] of steps) {
        stream.emit(next);
        told.push(next);
        if (!isRead) continue;
        const events = [...readEvents(reader.after(seen))];
        lost += (events[0]?.seq ?? told.length + 1) - seen - 1;
        events.forEach(({ seq, timeNs: _, layer = '', ...rest }, i) => {
          const { layer: had = '', ...said } = told[seq - 1]!;
          expect({ ...rest, layer }).toEqual({ ...said, layer: had });
          expect(seq).toBe(events[0]!.seq + i);
        });
        seen = events.at(-1)!.seq;
        expect(seen).toBe(told.length);
        expect(reader.lastSeq).toBe(told.length);
      }
      expect(lost).toBeLessThanOrEqual(told.length);
    }),
    { numRuns: 50 },
  );
});

test('who asks for what it has seen again gets it again, and who asks for what is to come gets nothing', () => {
  const { stream, reader } = make();
  for (const path of ['a', 'b', 'c']) stream.emit({ kind: 'opaque', path });
  const paths = (seq: number) => [...readEvents(reader.after(seq))].map(({ path }) => path);
  expect(paths(0)).toEqual(['a', 'b', 'c']);
  expect(paths(3)).toEqual([]);
  expect(paths(1)).toEqual(['b', 'c']);
  expect(paths(7)).toEqual([]);
  stream.emit({ kind: 'opaque', path: 'd' });
  expect(paths(3)).toEqual(['d']);
});

test('what is overwritten while it is copied is left out, and shows as lost', () => {
  const { stream, reader, memory } = make();
  const emit = (count: number) => {
    for (let n = 0; n < count; n++) stream.emit({ kind: 'opaque', path: 'p'.repeat(2000 + stream.lastSeq) });
  };
  emit(40);
  const copy = vi.spyOn(Uint8Array.prototype, 'set').mockImplementationOnce(function (
    this: Uint8Array,
    ...args
  ) {
    emit(5);
    this.set(...args);
  });
  const events = [...readEvents(reader.after(0))];
  copy.mockRestore();
  expect(events.map(({ path }) => path.length)).toEqual(events.map(({ seq }) => 1999 + seq));
  const kept = [...readEvents(reader.after(40))];
  expect(events.at(-1)?.seq).toBe(40);
  expect(events[0]?.seq).toBe([...readEvents(new RingReader(memory).after(0))][0]?.seq);
  expect(kept.map(({ seq }) => seq)).toEqual([41, 42, 43, 44, 45]);
});

test('records lie where the reader wants them, wherever that is, if there is room', () => {
  const { stream, reader } = make();
  for (const path of ['a', 'b', 'c']) stream.emit({ kind: 'opaque', path });
  const into = new Uint8Array(4096).fill(255).subarray(8, 4000);
  const paths = (records: Uint8Array) => [...readEvents(records)].map(({ path }) => path);
  const there = reader.after(1, into);
  expect(paths(there)).toEqual(['b', 'c']);
  expect(there.buffer).toBe(into.buffer);
  stream.emit({ kind: 'opaque', path: 'd' });
  expect(paths(reader.after(3, into))).toEqual(['d']);
  const elsewhere = reader.after(0, into.subarray(0, 16));
  expect(paths(elsewhere)).toEqual(['a', 'b', 'c', 'd']);
  expect(elsewhere.buffer).not.toBe(into.buffer);
});

test('an event too long for the memory is missing, which its number shows, and the others stay', () => {
  const { stream, reader } = make();
  stream.emit({ kind: 'opaque', path: 'a' });
  stream.emit({ kind: 'opaque', path: 'p'.repeat(ringBytes(CAPACITY)) });
  stream.emit({ kind: 'opaque', path: 'b' });
  expect([...readEvents(reader.after(0))].map(({ seq, path }) => [seq, path])).toEqual([
    [1, 'a'],
    [3, 'b'],
  ]);
});

test('what a code means is said by who wrote it', () => {
  const { stream, reader } = make();
  stream.emit({ kind: 'request', operation: 'lookup', path: 'f' });
  const [told] = [...readEvents(reader.after(0), [...Array(8).fill('settle'), 'stat'])];
  expect(told).toMatchObject({ kind: 'request', operation: 'stat', path: 'f' });
});

test('a cursor tells of every event what the event itself would, and nothing else', () => {
  const { stream, reader } = make();
  const all: NewEvent[] = [
    { kind: 'request', operation: 'write', path: 'd/f', durationNs: 5, bytes: 0, errno: 28 },
    { kind: 'request', operation: 'lookup', path: '' },
    { kind: 'copy-up', path: 'd/f', layer: 'upper', bytesCopied: 7, bytesSaved: 1 },
    { kind: 'copy-up', path: 'd/f', layer: 'd/f', bytesSaved: 2 },
    { kind: 'merge', path: 'd', parts: 3 },
  ];
  for (const event of all) stream.emit(event);
  const records = reader.after(0);
  const cursor = new EventCursor(records);
  const keys = ['kind', 'operation', 'path', 'layer', 'durationNs', 'bytes', 'errno'] as const;
  const amounts = ['bytesCopied', 'bytesSaved', 'parts'] as const;
  const seen = [];
  for (const told of readEvents(records)) {
    expect(cursor.next()).toBe(true);
    expect(cursor.event()).toEqual(told);
    const { seq, timeNs } = cursor;
    expect({ seq, timeNs }).toEqual({ seq: told.seq, timeNs: told.timeNs });
    seen.push(Object.fromEntries([...keys, ...amounts].map((key) => [key, cursor[key]])));
  }
  expect(cursor.next()).toBe(false);
  expect(seen).toEqual(all);
});

test('the hash of a path is that of its bytes alone, wherever its record lies and whatever lay there before', () => {
  const { stream, reader } = make();
  const paths = ['a', 'dir/f', 'dir/f\xff', 'p\xff/'.repeat(300), ''];
  const known = new Map<string, number>();
  const noise = fc.sample(event, { numRuns: 500, seed: 1 });
  for (const [n, other] of noise.entries()) {
    stream.emit(other);
    const path = paths[n % paths.length]!;
    stream.emit({ kind: 'request', operation: 'read', path, ...(n % 2 === 0 && { bytes: n }) });
    const records = reader.after(stream.lastSeq - 1);
    // What comes over a socket begins anywhere.
    const shifted = new Uint8Array(records.length + (n % 8)).subarray(n % 8);
    shifted.set(records);
    const cursor = new EventCursor(shifted);
    expect(cursor.next()).toBe(true);
    expect(cursor.path).toBe(path);
    const hash = cursor.pathHash;
    expect(known.get(path) ?? hash).toBe(hash);
    known.set(path, hash);
  }
  expect(new Set(known.values()).size).toBe(paths.length);
  expect(known.get('')).toBe(0);
});

test('paths that differ a little have other hashes', () => {
  const capacity = 4096;
  const memory = new ArrayBuffer(ringBytes(capacity));
  const stream = new EventStream(capacity, memory);
  const reader = new RingReader(memory);
  const hashes = new Set<number>();
  const notePaths = (from: number, paths: readonly string[]) => {
    for (const path of paths) stream.emit({ kind: 'opaque', path });
    const cursor = new EventCursor(reader.after(from));
    while (cursor.next()) hashes.add(cursor.pathHash);
  };
  const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
  let count = 0;
  for (let length = 1; length <= 20; length++) {
    for (let at = 0; at < length; at++) {
      const path = 'x'.repeat(length);
      const others = bytes.filter((byte) => byte !== 'x');
      const near = others.map((byte) => path.slice(0, at) + byte + path.slice(at + 1));
      notePaths(stream.lastSeq, near);
      count += near.length;
    }
  }
  for (let n = 0; n < 120_000; n += 1000) {
    const paths = Array.from({ length: 1000 }, (_, i) => `d${n % 7}/f${n + i}`);
    notePaths(stream.lastSeq, paths);
    count += 1000;
  }
  expect(hashes.size).toBe(count);
  expect([...hashes].every((hash) => Number.isSafeInteger(hash) && hash > 0)).toBe(true);
});
