import { expect, test } from 'vitest';
import { Summary } from '../../../src/cli/trace-summary.js';

function summedUp(...requests: [operation: string, path: string, durationNs: number][]) {
  const summary = new Summary();
  requests.forEach(([operation, path, durationNs], i) => {
    summary.add({ seq: i + 1, timeNs: 0, kind: 'request', operation, path, durationNs });
  });
  return summary.json();
}

test('the five requests that took longest are told, longest first, whenever they came', () => {
  const times = [3, 9, 1, 7, 0, 5, 8, 2, 6, 4, 9];
  const { slowest } = summedUp(...times.map((ns, i): [string, string, number] => ['read', `f${i}`, ns]));
  expect(slowest.map(({ path, durationNs }) => [path, durationNs])).toEqual([
    ['f1', 9],
    ['f10', 9],
    ['f6', 8],
    ['f3', 7],
    ['f8', 6],
  ]);
  expect(summedUp(['stat', 'f', 0]).slowest).toHaveLength(1);
});

test('a name is known to the kernel where no request told it, be that before the others or after', () => {
  const { kernel } = summedUp(
    ['stat', 'known', 1],
    ['stat', 'known', 1],
    ['lookup', 'first', 1],
    ['stat', 'first', 1],
    ['stat', 'later', 1],
    ['create', 'later', 1],
    ['statfs', '', 1],
  );
  expect(kernel).toEqual({ paths: 3, namesKnown: 1 });
});
