// Mounting by this program: a snapshot, or plain folders, handed as a resolved stack to one of the three drivers.
// FUSE is served by a host process; the kernel's mounts have no server and are noted in the table alone, where
// everybody who wants the upper looks first.

import { closeSync, openSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { EBUSY, isErrno, prepareStack, type StackDescription, sys } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { timeNow } from '../time.js';
import { assertFit, driverNamed, type StorageDriver, whyNotIn } from './drivers.js';
import type { FuseOptions, Host, HostSpec } from './host-spec.js';
import { hostFor } from './hosting.js';
import type { Hosting } from './hosting-words.js';
import type { Driver } from './mount.js';
import { unmountPlace } from './mount-all.js';
import { mountFailure } from './mount-failure.js';
import { checkMountPoint } from './mount-point.js';
import { mountUsers, usersText } from './mount-users.js';
import { mountAt, readMounts } from './mountinfo.js';
import { withParts } from './parts.js';
import { bootId, markOf, mountNamespace, processIn } from './process-life.js';
import { settleForKernel } from './settle.js';
import { isMountedHere, type ListedMount, type MountedSnapshot, type MountRow, MountTable } from './table.js';

export interface MountOptions {
  readonly driver: Driver;
  /** The state folder. */
  readonly state: string;
  /** Default `auto`. */
  readonly transport?: string;
  /** Nothing can be changed, even if the stack has an upper. */
  readonly readOnly?: boolean;
  readonly fuse?: FuseOptions;
  /** Make the upper plain when the mount has ended; the kernel's mounts leave it so anyway. */
  readonly settle?: boolean;
  /** Which process is to serve it if the driver is `fuse`; default `auto`. */
  readonly hosting?: Hosting;
  /** The same, begun already. */
  readonly host?: Host;
  /** A mount of `fuse` ends with this process, however that ends; it has a server of its own. */
  readonly tied?: boolean;
}

/** What mounting needs of a store. */
export interface MountingStore {
  readonly snapshots: {
    stat(
      name: string,
    ): Promise<{ readonly id: string; readonly kind: string; readonly form: 'diff' | 'full' }>;
    stack(name: string): Promise<StackDescription>;
  };
  readonly folders: { readonly snapshots: string; readonly chains: string };
  readonly namespace: string;
  readonly state: string;
  readonly driver: Driver;
}

/**
 * Mounts the active snapshot or view `key` at the folder `target`, with the store's driver unless another is
 * given. not-found (key, folder), failed-precondition (committed, mounted already, upper in use, other form than
 * the driver's), unsupported (driver not for this user or machine).
 */
export async function mountSnapshot(
  store: MountingStore,
  key: string,
  target: string,
  options: Partial<MountOptions> = {},
): Promise<MountRow> {
  const driver = options.driver ?? store.driver;
  const { stack, snapshot } = await mountableStack(store, key, driver, target);
  try {
    return await mountStack(
      stack,
      target,
      { ...options, driver, state: options.state ?? store.state },
      snapshot,
    );
  } catch (error) {
    const what = `cannot mount snapshot ${key}`;
    throw options.driver === undefined ? namingDriver(error, driver, what, store.folders.snapshots) : error;
  }
}

/**
 * The layers of an active snapshot or view, ready to be mounted by a driver, by this process or another. Errors as
 * `mountSnapshot`; `target` is for their hints.
 */
export async function mountableStack(
  store: MountingStore,
  key: string,
  driver: Driver,
  target: string,
): Promise<{ readonly stack: StackDescription; readonly snapshot: MountedSnapshot }> {
  const info = await store.snapshots.stat(key);
  const what = `cannot mount snapshot ${key}`;
  if (info.kind === 'committed') {
    throw new StoreError('failed-precondition', what, 'it is committed', {
      hint: `mica mount --read-only ${key} ${target}, or without --read-only for a new snapshot on top`,
    });
  }
  const { form } = driverNamed(driver);
  if (form !== info.form) {
    const [has, other] = form === 'full' ? ['changes only', 'fuse'] : ['a whole tree', 'native'];
    throw new StoreError(
      'failed-precondition',
      what,
      `it holds ${has}, which is not for --driver ${driver}`,
      {
        hint: `use --driver ${other}, or mica export the image and mica import it into another --root`,
      },
    );
  }
  if (info.kind === 'active') assertFit(driver, store.folders.snapshots);
  const snapshot = { store: store.folders.snapshots, namespace: store.namespace, key, id: info.id };
  const stack = { ...withParts(await store.snapshots.stack(key)), chains: store.folders.chains };
  if (driver === 'fuse') prepared(stack, what);
  return { stack, snapshot };
}

/** An error that comes because the store's own driver does not work here says so; any other as it is. */
function namingDriver(error: unknown, driver: Driver, what: string, folder: string): unknown {
  const isMeant = error instanceof StoreError && (error.kind === 'failed' || error.kind === 'unsupported');
  const why = isMeant ? whyNotIn(driverNamed(driver), folder) : undefined;
  if (why === undefined) return error;
  return new StoreError(
    'unsupported',
    what,
    `the driver of the store is ${driver}, which does not work here: ${why}`,
    {
      cause: error,
      hint: 'mica doctor',
    },
  );
}

/** The merge of a new chain takes memory, which a server would keep. */
function prepared(stack: StackDescription, what: string): void {
  try {
    prepareStack(stack);
  } catch (error) {
    throw mountFailure(what, error);
  }
}

/** What only a FUSE server can do is refused to others, and what contradicts itself to all. */
function assertPossible(stack: StackDescription, target: string, { driver, fuse }: MountOptions): void {
  const what = `cannot mount at ${target}`;
  const changes = stack.lowers.some((lower) => lower.changes === true);
  if (changes && fuse?.writeback === true) {
    const why = 'with writeback the kernel does not look at what others change';
    throw new StoreError('invalid-argument', what, why, { hint: 'leave out one of the two' });
  }
  if (driver === 'fuse') return;
  const hint = 'use --driver fuse';
  if (stack.upper?.quota !== undefined) {
    throw new StoreError('unsupported', what, `with the driver ${driver} nobody keeps to a quota`, { hint });
  }
  if (fuse?.owners !== undefined) {
    throw new StoreError('unsupported', what, `the driver ${driver} shows owners as they are stored`, {
      hint,
    });
  }
  if (changes) {
    throw new StoreError('unsupported', what, `the driver ${driver} wants lowers that do not change`, {
      hint,
    });
  }
}

/** Mounts any stack, of a snapshot or of plain folders, at the folder `target`. */
export async function mountStack(
  stack: StackDescription,
  target: string,
  options: MountOptions,
  snapshot?: MountedSnapshot,
): Promise<MountRow> {
  assertPossible(stack, target, options);
  const table = new MountTable(options.state);
  const place = checkMountPoint(target, stack, table);
  if (stack.upper !== undefined) assertFree(stack.upper.path, place, table);
  const more = snapshot === undefined ? {} : { snapshot };
  if (options.driver === 'fuse') {
    const spec: HostSpec = {
      state: options.state,
      target: place,
      stack,
      transport: options.transport ?? 'auto',
      readOnly: options.readOnly === true,
      ...(options.fuse === undefined ? {} : { options: options.fuse }),
      ...(options.settle === true ? { settle: true } : {}),
      ...(options.tied === true ? { tied: true } : {}),
      ...more,
    };
    const hosting = options.tied === true ? 'own' : (options.hosting ?? 'auto');
    const host = options.host ?? hostFor(hosting, spec.state, place, spec.transport);
    return host.serve(spec);
  }
  const { mount } = driverNamed(options.driver);
  if (mount === 'served') throw new Error('served mounts are started, not made');
  assertMayMount(place, options.driver);
  await settleForKernel(stack, table);
  const mounted = mountHeld(stack, place, options.readOnly === true, mount);
  const row: MountRow = { ...mounted, ...more, driver: options.driver };
  table.put(row);
  return row;
}

/** The kernel's mount, made while this process holds the upper, so that no server takes it in the same moment. */
function mountHeld(
  stack: StackDescription,
  target: string,
  readOnly: boolean,
  mount: Exclude<StorageDriver['mount'], 'served'>,
): Omit<MountRow, 'driver'> {
  const { upper } = stack;
  const work = upper === undefined ? undefined : openSync(upper.work, 'r');
  try {
    if (work !== undefined && !sys.tryLock(work)) {
      throw new StoreError('failed-precondition', `cannot mount at ${target}`, `${upper?.path} is in use`, {
        hint: 'mica mounts',
      });
    }
    mount(stack, target, { readOnly });
    const found = upper === undefined ? undefined : statSync(upper.path);
    return {
      target,
      process: markOf(process.pid),
      readOnly: readOnly || upper === undefined,
      since: timeNow(),
      ...(found === undefined || readOnly ? {} : { upper: { device: found.dev, inode: found.ino } }),
      boot: bootId(),
      mountNamespace: mountNamespace(),
    };
  } catch (error) {
    throw mountFailure(`cannot mount at ${target}`, error);
  } finally {
    if (work !== undefined) closeSync(work);
  }
}

/** failed-precondition if a mount of ours writes to the folder already. */
function assertFree(upper: string, target: string, table: MountTable): void {
  const holder = table.writing(upper);
  if (holder === undefined) {
    const place = table.kernelMountOn(upper);
    if (place === undefined) return;
    const why = `${upper} is in use by the kernel, mounted at ${place}`;
    throw new StoreError('failed-precondition', `cannot mount at ${target}`, why, {
      hint: `umount ${place}`,
    });
  }
  const by = holder.driver === 'fuse' ? `pid ${holder.process.pid}` : 'the kernel';
  const shows = holder.snapshot === undefined ? upper : `snapshot ${holder.snapshot.key}`;
  const where = isMountedHere(holder) ? '' : ' in another mount namespace';
  const why = `${shows} is in use by ${by}, mounted at ${holder.target}${where}`;
  throw new StoreError('failed-precondition', `cannot mount at ${target}`, why, {
    hint: `mica umount ${holder.target}`,
  });
}

function assertMayMount(target: string, driver: Driver): void {
  if (process.platform === 'linux' && sys.hasCapability(sys.CAP_SYS_ADMIN)) return;
  throw new StoreError('unsupported', `cannot mount at ${target}`, `the driver ${driver} needs root`, {
    hint: 'use --driver fuse, or run inside a user namespace: unshare -Urm',
  });
}

/**
 * Ends a mount of ours at `target` and waits until its server has let go of the upper. Returns what was noted.
 * not-found if there is none; failed-precondition while it is in use, unless `lazy`, which takes it out of sight
 * at once and waits for nothing. Both failures name who uses it. `waitMs`: how long the server may take.
 */
export async function unmountSnapshot(
  target: string,
  state: string,
  lazy = false,
  waitMs?: number,
): Promise<MountRow> {
  const table = new MountTable(state);
  const row = table.at(target) ?? table.at(placeOf(target));
  if (row === undefined) {
    throw new StoreError('not-found', `cannot unmount ${target}`, 'no mount of ours is there', {
      hint: 'mica mounts',
    });
  }
  assertHere(row);
  const device = mountAt(row.target, readMounts() ?? [])?.device;
  try {
    unmountPlace(row.target, lazy || row.state === 'dead');
  } catch (error) {
    throw namingUsers(error, row.target, device);
  }
  if (row.driver !== 'fuse' || row.state === 'dead') table.remove(row);
  else if (!lazy) await table.serverGone(row, device, waitMs);
  return row;
}

/** failed-precondition for a mount that is there, and that this process cannot see. */
function assertHere(row: ListedMount): void {
  if (row.state === 'dead' || isMountedHere(row)) return;
  const pid = row.driver === 'fuse' ? row.process.pid : (processIn(row.mountNamespace) ?? row.process.pid);
  const why = `it is in another mount namespace, that of pid ${pid}`;
  const key = row.snapshot?.key ?? '';
  throw new StoreError('failed-precondition', `cannot unmount ${row.target}`, why, {
    hint: `mica rm --force ${key}, if it is a container; else nsenter -t ${pid} -m umount ${row.target}`,
  });
}

/** EBUSY with who it is; any other error as it is. */
function namingUsers(error: unknown, target: string, device: string | undefined): unknown {
  if (!(error instanceof StoreError) || !isErrno(error.cause, EBUSY) || device === undefined) return error;
  const users = mountUsers(device).filter(({ elsewhere }) => !elsewhere);
  if (users.length === 0) return error;
  return new StoreError(error.kind, `cannot unmount ${target}`, `it is in use by ${usersText(users)}`, {
    cause: error,
    hint: `end it, or mica umount --lazy ${target}`,
  });
}

/** A mount point without symlinks, found without looking at it: its server may have died. */
function placeOf(target: string): string {
  const path = resolve(target);
  try {
    return join(realpathSync(dirname(path)), basename(path));
  } catch (error) {
    if (typeof (error as NodeJS.ErrnoException).code === 'string') return path;
    throw error;
  }
}
