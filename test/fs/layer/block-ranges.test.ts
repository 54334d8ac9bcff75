import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BlockRanges } from '../../../fs/layer/block-ranges.js';

const step = fc.record({ add: fc.boolean(), from: fc.nat(30), length: fc.integer({ min: 1, max: 12 }) });

test('ranges know what a set of their bytes knows', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const ranges = new BlockRanges();
      const set = new Set<number>();
      for (const { add, from, length } of steps) {
        if (add) ranges.add(from, from + length);
        else ranges.remove(from, from + length);
        for (let at = from; at < from + length; at++)
          if (add) set.add(at);
          else set.delete(at);
        expect(ranges.isEmpty).toBe(set.size === 0);
        for (let at = 0; at < 45; at++) {
          let end = at;
          while (set.has(end)) end++;
          expect(ranges.endOf(at)).toBe(end === at ? undefined : end);
          let start = at + 1;
          while (start < 50 && !(set.has(start) && !set.has(start - 1))) start++;
          expect(ranges.startAfter(at)).toBe(start === 50 ? undefined : start);
        }
      }
    }),
  );
});
