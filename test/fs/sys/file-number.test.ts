// Numbers of 64 bits: each file keeps one of its own, the same whenever it is looked at.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fileNumber } from '../../../fs/sys/file-number.js';

const WORD = 2 ** 32;
const u32 = fc.integer({ min: 0, max: WORD - 1 });

describe('file numbers', () => {
  test('below 2^47 stay as they are', () => {
    fc.assert(
      fc.property(u32, fc.integer({ min: 0, max: 2 ** 15 - 1 }), (low, high) => {
        expect(fileNumber(low, high)).toBe(high * WORD + low);
      }),
    );
  });

  test('above it are one to one, below 2^48, and the same at every look', () => {
    const numbers = new Map<string, number>();
    // Neighbours differ in the lowest bits, layers of overlayfs in the highest.
    for (const high of [2 ** 15, 2 ** 31, 0x40000000, 0xc0000000, WORD - 1]) {
      for (let low = 0; low < 20_000; low++) numbers.set(`${high} ${low}`, fileNumber(low, high));
    }
    expect(new Set(numbers.values()).size).toBe(numbers.size);
    for (const [halves, number] of numbers) {
      const [high, low] = halves.split(' ').map(Number);
      expect(fileNumber(low!, high!)).toBe(number);
      if (number < 2 ** 47 || number >= 2 ** 48) throw new Error(`${halves} became ${number}`);
    }
  });

  test('that meet after the cut go apart', () => {
    // Found by going backwards from equal 47 bits.
    const one = () => fileNumber(884542087, 1487882050);
    const other = () => fileNumber(2129302064, 3644634454);
    const numbers = [one(), other()];
    expect(Math.abs(numbers[0]! - numbers[1]!)).toBe(1);
    expect([one(), other()]).toEqual(numbers);
  });
});
