import { afterEach, expect, test, vi } from 'vitest';
import { msOfTime, TimesInRow, timeNow, timeOfNs } from '../../src/time.js';

afterEach(() => vi.restoreAllMocks());

test('times taken one after the other differ, within one millisecond', () => {
  const times = new Set<string>();
  const start = performance.now();
  while (performance.now() - start < 1) times.add(timeNow());
  expect(times.size).toBeGreaterThan(2);
  expect([...times].sort()).toEqual([...times]);
});

test('a clock that was set is followed', () => {
  const real = Date.now;
  const hour = 3_600_000;
  vi.spyOn(Date, 'now').mockImplementation(() => real() + hour);
  expect(Math.abs((msOfTime(timeNow()) ?? 0) - (real() + hour))).toBeLessThan(1000);
  vi.restoreAllMocks();
  expect(Math.abs((msOfTime(timeNow()) ?? 0) - real())).toBeLessThan(1000);
});

test.each([
  ['2026-01-02T03:04:05Z', Date.UTC(2026, 0, 2, 3, 4, 5)],
  ['2026-01-02T03:04:05.000250000Z', Date.UTC(2026, 0, 2, 3, 4, 5) + 0.25],
  ['2026-01-02t03:04:05.5+01:30', Date.UTC(2026, 0, 2, 1, 34, 5, 500)],
  ['2026-01-02', undefined],
  ['2026-13-02T03:04:05Z', undefined],
  ['soon', undefined],
])('%s is read', (text, ms) => {
  expect(msOfTime(text)).toBe(ms);
});

test('nanoseconds are written as nine digits', () => {
  expect(timeOfNs(1_000_000_007n)).toBe('1970-01-01T00:00:01.000000007Z');
});

test('times in a row are told as each by itself, around the ends of seconds too', () => {
  const times = new TimesInRow();
  const second = 1_790_000_000_000_000_000;
  for (const ns of [second, second - 256, second + 256, second + 999_999_744, second + 1e9, 0, 999_999_999]) {
    expect(times.of(ns)).toBe(timeOfNs(BigInt(ns)));
    expect(times.ofDay(ns)).toBe(timeOfNs(BigInt(ns)).slice(11, 26));
  }
});
