// Which driver shows the snapshots of a store when nobody said so: the one that it remembers; else one for the form that
// its snapshots have; and in a new store the first that works here, in Docker's way: an ordered list, and a trial each.

import type { DriverRow } from '../metadata/driver.js';
import { driverNamed, registeredDrivers, type StorageDriver, whyNotIn } from '../mounts/drivers.js';
import type { Driver, SnapshotForm } from './snapshot.js';

/** True if the driver works on this machine for this user. May mount something small to find out. */
export type Works = (driver: StorageDriver) => boolean;

/** What is known of a store. */
export interface StoreFacts {
  /** What it remembers. */
  readonly recorded: DriverRow | undefined;
  /** Of its snapshots. */
  readonly forms: ReadonlySet<SnapshotForm>;
}

/**
 * `asked`, or what the store remembers, or the choice for it. Where nothing is remembered, whole trees that somebody left
 * make no store one of whole trees, as those of its driver vfs make none in Docker; changes keep to drivers for changes, even if none works:
 * snapshots can still be listed, and a mount will say what is missing.
 */
export function chooseDriver(asked: Driver | 'auto', { recorded, forms }: StoreFacts, works: Works): Driver {
  if (asked !== 'auto') return driverNamed(asked).name;
  if (recorded !== undefined) return driverNamed(recorded.driver).name;
  const possible = registeredDrivers().filter(({ form }) => form === 'diff' || !forms.has('diff'));
  const found = possible.find(works) ?? possible[0];
  if (found === undefined) throw new Error('no driver is registered');
  return found.name;
}

/** Trials with the folder of the store, which decides what the kernel can do there. */
export function worksIn(folder: string): Works {
  return (driver) => whyNotIn(driver, folder) === undefined;
}
