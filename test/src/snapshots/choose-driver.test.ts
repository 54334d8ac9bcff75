import { expect, test } from 'vitest';
import { driverNamed, registerDriver, registeredDrivers } from '../../../src/mounts/drivers.js';
import { chooseDriver, type Works } from '../../../src/snapshots/choose-driver.js';
import type { SnapshotForm } from '../../../src/snapshots/snapshot.js';

const works =
  (...names: string[]): Works =>
  ({ name }) =>
    names.includes(name);
const store = (...forms: SnapshotForm[]) => ({ recorded: undefined, forms: new Set(forms) });

test.each([
  ['a new store takes fuse where it works', store(), works('fuse', 'overlay', 'native'), 'fuse'],
  ['a new store takes overlay without fuse', store(), works('overlay', 'native'), 'overlay'],
  ['a new store copies where there is no union', store(), works('native'), 'native'],
  [
    'whole trees that were left make no store one of whole trees',
    store('full'),
    works('overlay', 'native'),
    'overlay',
  ],
  ['changes stay changes', store('diff'), works('overlay', 'native'), 'overlay'],
  ['changes are never taken for whole trees', store('diff'), works('native'), 'fuse'],
  ['a store of both takes what works', store('diff', 'full'), works('overlay', 'native'), 'overlay'],
] as const)('%s', (_name, facts, trial, driver) => {
  expect(chooseDriver('auto', facts, trial)).toBe(driver);
});

const tried: Works = () => {
  throw new Error('tried');
};

test('a driver that was asked for is taken without a trial', () => {
  expect(chooseDriver('overlay', store('full'), tried)).toBe('overlay');
});

test('what the store remembers is taken without a trial, whatever its snapshots are', () => {
  const recorded = { driver: 'native', form: 'full' } as const;
  expect(chooseDriver('auto', { ...store('diff'), recorded }, tried)).toBe('native');
  expect(chooseDriver('fuse', { ...store('diff'), recorded }, tried)).toBe('fuse');
});

test('a driver that nobody has registered is refused by name', () => {
  const recorded = { driver: 'gone', form: 'diff' } as const;
  expect(() => chooseDriver('auto', { ...store(), recorded }, tried)).toThrow(
    expect.objectContaining({ kind: 'unsupported', message: expect.stringContaining('the driver gone') }),
  );
});

test('a second driver of a name is refused, and one of another is tried last', () => {
  const other = { ...driverNamed('overlay'), name: 'another' };
  registerDriver(other);
  expect(registeredDrivers().map(({ name }) => name)).toEqual(['fuse', 'overlay', 'native', 'another']);
  expect(chooseDriver('auto', store(), works('another'))).toBe('another');
  for (const name of ['another', 'overlay']) {
    expect(() => registerDriver({ ...other, name })).toThrow(
      expect.objectContaining({ kind: 'already-exists' }),
    );
  }
  for (const name of ['auto', '', 'A', '../x']) {
    expect(() => registerDriver({ ...other, name })).toThrow(
      expect.objectContaining({ kind: 'invalid-argument' }),
    );
  }
});

test.each([
  ['fuse', 'NFS', 'NFS'],
  ['fuse', 'VFAT', 'VFAT'],
  ['overlay', 'overlayfs', 'overlayfs'],
  ['overlay', 'NFS', 'NFS'],
  ['native', 'VFAT', 'VFAT'],
])('the driver %s has no store on %s', (driver, filesystem, named) => {
  expect(driverNamed(driver).unfit({ filesystem })).toContain(named);
});

test.each([
  ['fuse', 'overlayfs'],
  ['fuse', 'ext4'],
  ['overlay', 'tmpfs'],
  ['overlay', 'Btrfs'],
  ['native', 'NFS'],
])('the driver %s may have one on %s', (driver, filesystem) => {
  expect(driverNamed(driver).unfit({ filesystem })).toBeUndefined();
});
