// Storage drivers: who shows a snapshot, under a name. Those of this program are in built-in-drivers.ts; others may be
// registered beside them, before a store is opened. A driver decides the form of what it makes, looks at the filesystem
// that carries a store, and mounts stacks of folders.

import type { StackDescription } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import type { SnapshotForm } from '../metadata/rows.js';
import { type Ground, groundOf } from './ground.js';
import type { Driver, Mount } from './mount.js';

export interface StorageDriver {
  readonly name: Driver;
  /** What the folder of a snapshot holds that it makes: the changes, or the whole tree. */
  readonly form: SnapshotForm;
  /** Why a store cannot lie on such a filesystem; undefined if it can. */
  unfit(ground: Ground): string | undefined;
  /** Why it does not work for this user on this machine, with a store in `folder`; undefined if it does. May mount something small. */
  whyNot(folder: string): string | undefined;
  /**
   * Shows a stack at a folder until somebody unmounts it there; the upper is held by the caller and plain. `served`: by a
   * process of this program, which is started elsewhere.
   */
  readonly mount:
    | 'served'
    | ((stack: StackDescription, target: string, options: { readonly readOnly: boolean }) => void);
  /** What others are to mount for a stack of several layers; absent: what the kernel's overlayfs takes. */
  mounts?(stack: StackDescription): readonly Mount[];
}

/** Tried in this order where nothing says which driver a store has; others come after them, by name. */
export const PRIORITY: readonly Driver[] = ['fuse', 'overlay', 'native'];

const drivers = new Map<Driver, StorageDriver>();

/** already-exists for a name that is taken, invalid-argument for what is none. */
export function registerDriver(driver: StorageDriver): void {
  const what = `cannot register the driver ${driver.name}`;
  if (!/^[a-z0-9]+(?:[._-][a-z0-9]+)*$/.test(driver.name) || driver.name === 'auto') {
    throw new StoreError('invalid-argument', what, 'a name has small letters and digits, parted by . _ or -');
  }
  if (drivers.has(driver.name)) throw new StoreError('already-exists', what, 'there is one of this name');
  drivers.set(driver.name, driver);
}

/** In the order in which they are tried. */
export function registeredDrivers(): readonly StorageDriver[] {
  const rank = (name: Driver): number => {
    const place = PRIORITY.indexOf(name);
    return place < 0 ? PRIORITY.length : place;
  };
  return [...drivers.values()].sort((a, b) => rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1));
}

/** unsupported for a name that nobody registered. */
export function driverNamed(name: Driver): StorageDriver {
  const found = drivers.get(name);
  if (found !== undefined) return found;
  const names = registeredDrivers().map((driver) => driver.name);
  throw new StoreError('unsupported', `cannot use the driver ${name}`, 'nobody has registered it here', {
    hint: `use one of ${names.join(', ')}`,
  });
}

/** Why the driver cannot be used with a store in `folder`; undefined if it can. May mount something small. */
export function whyNotIn({ unfit, whyNot }: StorageDriver, folder: string): string | undefined {
  return unfit(groundOf(folder)) ?? whyNot(folder);
}

/** unsupported for a driver that cannot have a store on the filesystem of `folder`, with its name and the reason. */
export function assertFit(name: Driver, folder: string): void {
  const why = driverNamed(name).unfit(groundOf(folder));
  if (why === undefined) return;
  throw new StoreError('unsupported', `cannot use the driver ${name} in ${folder}`, why, {
    hint: 'mica doctor says what works there; or choose a folder on another filesystem with --root',
  });
}
