import { expect, test } from 'vitest';
import { CountedPaths } from '../../../src/mounts/counted-paths.js';

const told = ({ size, found }: CountedPaths) => [size, found];

test('a path is counted once, and found if it was so ever', () => {
  const paths = new CountedPaths();
  for (const [hash, finds] of [
    [7, false],
    [7, false],
    [8, true],
    [8, false],
    [7, true],
    [9, false],
  ] as const)
    paths.note(hash, finds);
  expect(told(paths)).toEqual([3, 2]);
});

test('paths that belong into one place of the table are kept apart, be it the last one', () => {
  const paths = new CountedPaths();
  const hashes = Array.from({ length: 700 }, (_, n) => n * 2 ** 40 + 2 ** 18 - 1);
  for (const hash of hashes) paths.note(hash, false);
  expect(told(paths)).toEqual([700, 0]);
  for (const hash of hashes) paths.note(hash, hash > 2 ** 44);
  expect(told(paths)).toEqual([700, hashes.filter((hash) => hash > 2 ** 44).length]);
});

test('of more than 100,000 paths the first are counted, and are found still', () => {
  const paths = new CountedPaths();
  for (let n = 1; n <= 150_000; n++) paths.note(n * 2 ** 33 + n, n % 2 === 0);
  expect(told(paths)).toEqual([100_000, 50_000]);
  for (let n = 1; n <= 150_000; n++) paths.note(n * 2 ** 33 + n, true);
  expect(told(paths)).toEqual([100_000, 100_000]);
});
