// Which driver shows the snapshots of a store when nobody said so: one for the form that its snapshots have, and in
// a new store the first that works here, in Docker's way: an ordered list, and a trial each.

import { closeSync, constants, openSync } from 'node:fs';
import { sys } from '../../fs/index.js';
import { probeHere } from '../../native-fallback/index.js';
import type { Driver, SnapshotForm } from './snapshot.js';

/** True if the driver works on this machine for this user. May mount something small to find out. */
export type Works = (driver: Driver) => boolean;

/**
 * `asked`, or the choice for a store whose snapshots have the forms `inUse`. A store of changes keeps to the drivers
 * for changes even if none works: its snapshots can still be listed, and a mount will say what is missing.
 */
export function chooseDriver(asked: Driver | 'auto', inUse: ReadonlySet<SnapshotForm>, works: Works): Driver {
  if (asked !== 'auto') return asked;
  if (inUse.has('full') && !inUse.has('diff')) return 'native';
  if (works('fuse')) return 'fuse';
  if (works('overlay')) return 'overlay';
  return inUse.has('diff') ? 'fuse' : 'native';
}

/** Trials with the folder of the store, which decides what the kernel can do there. */
export function worksIn(folder: string): Works {
  return (driver) => {
    if (driver === 'fuse') return mayServe();
    if (driver === 'overlay') return probeHere(folder).ok;
    return true;
  };
}

/** Whether /dev/fuse opens, and somebody may mount it: this process, or the set-user-id helper for it. */
function mayServe(): boolean {
  if (process.platform !== 'linux') return process.platform === 'darwin';
  try {
    closeSync(openSync('/dev/fuse', constants.O_RDWR));
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
  return sys.hasCapability(sys.CAP_SYS_ADMIN) || sys.hasHelper();
}
