import { expect, test } from 'vitest';
import { inBlocks, timeOf, timestampOf } from '../../../src/containerd/convert.js';
import { timeNow } from '../../../src/time.js';

test('a time keeps its nanoseconds on its way out and back, before 1970 too', () => {
  for (const time of [
    timeNow(),
    '2026-11-21T20:44:00.000000001Z',
    '2026-11-21T20:44:00.999999999Z',
    '1969-12-31T23:59:59.250000001Z',
    '0001-01-01T00:00:00.000000000Z',
  ]) {
    expect(timeOf(timestampOf(time))).toBe(time);
  }
  expect(timestampOf('1969-12-31T23:59:59.250000000Z')).toEqual({ seconds: -1, nanos: 250_000_000 });
  expect(() => timeOf({ seconds: 1e15, nanos: 0 })).toThrow('cannot use a timestamp');
  expect(timeOf(undefined)).toBe('0001-01-01T00:00:00.000000000Z');
});

test('a list is sent in blocks of a hundred, an empty one not at all', async () => {
  const sizes = async (count: number) => {
    const all = [];
    for await (const block of inBlocks(Array.from({ length: count }, (_, i) => i))) all.push(block.length);
    return all;
  };
  expect(await sizes(0)).toEqual([]);
  expect(await sizes(100)).toEqual([100]);
  expect(await sizes(154)).toEqual([100, 54]);
});
