import { expect, test } from 'vitest';
import { chooseDriver } from '../../../src/snapshots/choose-driver.js';
import type { Driver, SnapshotForm } from '../../../src/snapshots/snapshot.js';

const works =
  (...drivers: Driver[]) =>
  (driver: Driver) =>
    drivers.includes(driver);
const forms = (...names: SnapshotForm[]) => new Set(names);

test.each([
  ['a new store takes fuse where it works', forms(), works('fuse', 'overlay', 'native'), 'fuse'],
  ['a new store takes overlay without fuse', forms(), works('overlay', 'native'), 'overlay'],
  ['a new store copies where there is no union', forms(), works('native'), 'native'],
  ['whole trees stay whole trees', forms('full'), works('fuse', 'overlay', 'native'), 'native'],
  ['changes stay changes', forms('diff'), works('overlay', 'native'), 'overlay'],
  ['changes are never taken for whole trees', forms('diff'), works('native'), 'fuse'],
  ['a store of both takes what works', forms('diff', 'full'), works('overlay', 'native'), 'overlay'],
] as const)('%s', (_name, inUse, trial, driver) => {
  expect(chooseDriver('auto', inUse, trial)).toBe(driver);
});

test('a driver that was asked for is taken without a trial', () => {
  const trial = () => {
    throw new Error('tried');
  };
  expect(chooseDriver('overlay', forms('full'), trial)).toBe('overlay');
});
