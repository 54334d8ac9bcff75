// Makes an upper plain before anything but this program looks at it: through its server where it is mounted,
// else by opening the stack here, which also keeps everybody else out meanwhile.

import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import {
  EBUSY,
  hasOverrides,
  ID_COUNT,
  isErrno,
  openStack,
  type StackDescription,
  saysTheSame,
  sys,
  Union,
  type UpperDescription,
} from '../../fs/index.js';
import { StoreError } from '../errors.js';
import type { ControlClient } from './control.js';
import { connectControl } from './control-socket.js';
import { mountFailure } from './mount-failure.js';
import type { ListedMount, MountTable } from './table.js';

/** True while other programs must not read the upper as it is (design: "plain and settled"). */
export function isGuarded(upper: UpperDescription): boolean {
  return existsSync(join(upper.work, 'work', 'incompat', 'mica'));
}

/** Settles the upper of a stack. Returns false if it was plain already, or there is none. */
export async function settle(stack: StackDescription, table: MountTable): Promise<boolean> {
  const { upper } = stack;
  if (upper === undefined || !isGuarded(upper)) return false;
  const mount = table.writing(upper.path);
  if (mount?.state === 'live') await settleServed(mount);
  else {
    assertNoKernel(upper.path, table);
    settleHere(stack, upper);
  }
  return true;
}

/** Makes the upper of a live mount one that may be read as a lower, as it is now: nothing is copied for that. */
export async function prepareToRead(mount: ListedMount): Promise<void> {
  await withServer(mount, (server) => server.ask({ op: 'join' }));
}

/** Settles the upper of a mount whose server lives. Returns false if it was plain already. */
export async function settleServed(mount: ListedMount): Promise<boolean> {
  return (await withServer(mount, (server) => server.ask({ op: 'settle' }))).settled;
}

/**
 * From now on the upper of a mount whose server lives changes no more. failed-precondition, as `what`, where a file is
 * open whose writer the server cannot stop (passthrough).
 */
export async function freezeServed(mount: ListedMount, what: string): Promise<void> {
  await withServer(mount, async (server) => {
    try {
      await server.ask({ op: 'freeze' });
    } catch (error) {
      if (!isErrno(error, EBUSY)) throw error;
      const { written = [] } = await server.ask({ op: 'status' });
      const why = `open for writing: ${written.slice(0, 3).join(', ')}${written.length > 3 ? ', ...' : ''}`;
      const hint = `end who writes, or mica umount ${mount.target}; mounted with --no-passthrough it is no matter`;
      throw new StoreError('failed-precondition', what, why, { hint });
    }
  });
}

/** failed-precondition while the kernel writes to an upper, which nobody else may touch then. */
export function assertNoKernel(upper: string, table: MountTable): void {
  const place = table.kernelMountOn(upper);
  if (place === undefined) return;
  const why = `the kernel writes to it, mounted at ${place}`;
  throw new StoreError('failed-precondition', `cannot settle ${upper}`, why, { hint: `umount ${place}` });
}

/**
 * The first layer in which owners or devices are stood in for, because the user who wrote it could not set them:
 * nobody but this program shows the true ones, settled or not.
 */
export function layerWithStandIns({ lowers, upper }: StackDescription): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const paths = [...(upper === undefined ? [] : [upper.path]), ...lowers.map((lower) => lower.path)];
  return paths.find((path) => {
    const fd = openSync(path, 'r');
    try {
      return hasOverrides(fd);
    } finally {
      closeSync(fd);
    }
  });
}

/** Makes a stack ready for the kernel: settled. unsupported if it holds what the kernel would show wrongly. */
export async function settleForKernel(stack: StackDescription, table: MountTable): Promise<void> {
  const path = layerWithStandIns(stack);
  if (path !== undefined) {
    const why = `${path} holds stand-ins for owners or devices, which the kernel would show as they lie there`;
    throw new StoreError('unsupported', 'cannot mount with the kernel', why, { hint: 'use --driver fuse' });
  }
  const strange = layerOfNamespace(stack);
  if (strange !== undefined) {
    const why = `${strange} was made in a user namespace, whose owners the kernel would show as others`;
    throw new StoreError('unsupported', 'cannot mount with the kernel', why, { hint: 'use --driver fuse' });
  }
  await settle(stack, table);
}

/** The first layer that was made in a user namespace with other ids than this process's. */
function layerOfNamespace({ lowers, upper }: StackDescription): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const here = sys.namespaceNumbering();
  const layers = upper === undefined ? lowers : [upper, ...lowers];
  return layers.find(({ numbering }) => {
    const ofNamespace = numbering !== undefined && numbering.uids[0]?.count !== ID_COUNT;
    return ofNamespace && !saysTheSame(numbering, here);
  })?.path;
}

/** Asks the server of a FUSE mount of ours. failed-precondition for a mount without one. */
export async function withServer<T>(
  mount: ListedMount,
  use: (server: ControlClient) => Promise<T>,
): Promise<T> {
  assertServed(mount);
  const server = await connectControl(mount.socket);
  try {
    return await use(server);
  } finally {
    server.close();
  }
}

/** failed-precondition where no server of ours is behind a mount, or none any more. */
export function assertServed(mount: ListedMount): asserts mount is ListedMount & { readonly socket: string } {
  if (mount.socket !== undefined && mount.state === 'live') return;
  const why = mount.state === 'dead' ? 'its server has died' : 'the kernel serves it';
  throw new StoreError('failed-precondition', `cannot ask the mount at ${mount.target}`, why, {
    hint: `mica umount ${mount.target}`,
  });
}

function settleHere(stack: StackDescription, upper: UpperDescription): void {
  try {
    const open = openStack(stack);
    if (open.upper === undefined) {
      open.close();
      return;
    }
    const union = new Union(open);
    try {
      union.settle();
    } finally {
      union.destroy();
    }
  } catch (error) {
    throw mountFailure(`cannot settle ${upper.path}`, error);
  }
}
