import { expect, test } from 'vitest';
import { EventCursor } from '../../../fs/union/event-record.js';
import { RingReader, ringBytes } from '../../../fs/union/event-ring.js';
import { EventStream } from '../../../fs/union/event-stream.js';
import type { Operation } from '../../../fs/union/operation.js';
import { Summary } from '../../../src/mounts/summary.js';

const KEPT = 64;

function summedUp(...requests: [operation: Operation, path: string, durationNs: number][]) {
  const memory = new ArrayBuffer(ringBytes(KEPT));
  const stream = new EventStream(KEPT, memory);
  for (const [operation, path, durationNs] of requests)
    stream.emit({ kind: 'request', operation, path, durationNs });
  const cursor = new EventCursor(new RingReader(memory).after(0));
  const summary = new Summary();
  while (cursor.next()) summary.add(cursor);
  return summary.json();
}

test('the five requests that took longest are told, longest first, whenever they came', () => {
  const times = [3, 9, 1, 7, 0, 5, 8, 2, 6, 4, 9];
  const { slowest } = summedUp(...times.map((ns, i): [Operation, string, number] => ['read', `f${i}`, ns]));
  expect(slowest.map(({ path, durationNs }) => [path, durationNs])).toEqual([
    ['f1', 9],
    ['f10', 9],
    ['f6', 8],
    ['f3', 7],
    ['f8', 6],
  ]);
  expect(summedUp(['getattr', 'f', 0]).slowest).toHaveLength(1);
});

test('a name is known to the kernel where no request told it, be that before the others or after', () => {
  const { kernel } = summedUp(
    ['getattr', 'known', 1],
    ['getattr', 'known', 1],
    ['lookup', 'first', 1],
    ['getattr', 'first', 1],
    ['getattr', 'later', 1],
    ['create', 'later', 1],
    ['statfs', '', 1],
  );
  expect(kernel).toEqual({ paths: 3, namesKnown: 1 });
});

test('paths are told apart by every byte, however long they are', () => {
  const long = `${'d/'.repeat(40)}\xff`;
  const { kernel, requests } = summedUp(
    ['lookup', long, 1],
    ['getattr', long, 1],
    ['getattr', `${long}\xfe`, 1],
    ['getattr', long.slice(1), 1],
    ['create', 'f', 1],
    ['getattr', 'f', 1],
    ['getattr', 'g', 1],
    ['lookup', 'g', 1],
  );
  expect(kernel).toEqual({ paths: 5, namesKnown: 2 });
  expect(requests.getattr?.count).toBe(5);
});
