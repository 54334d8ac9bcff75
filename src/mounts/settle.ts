// Makes an upper plain before anything but this program looks at it: through its server where it is mounted,
// else by opening the stack here, which also keeps everybody else out meanwhile.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openStack, type StackDescription, Union, type UpperDescription } from '../../fs/index.js';
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
  if (mount !== undefined) {
    await withServer(mount, (server) => server.ask({ op: 'settle' }));
  } else {
    settleHere(stack, upper);
  }
  if (!isGuarded(upper)) return true;
  // What this user cannot set (owners, devices) is stood in for, and nobody else reads that.
  throw new StoreError(
    'unsupported',
    `cannot settle ${upper.path}`,
    'it holds owners or devices of other users',
    {
      hint: 'mount it with --driver fuse, or settle it as root',
    },
  );
}

/** Asks the server of a FUSE mount of ours. failed-precondition for a mount without one. */
export async function withServer<T>(
  mount: ListedMount,
  use: (server: ControlClient) => Promise<T>,
): Promise<T> {
  if (mount.socket === undefined || mount.state === 'dead') {
    const why = mount.state === 'dead' ? 'its server has died' : 'the kernel serves it';
    throw new StoreError('failed-precondition', `cannot ask the mount at ${mount.target}`, why, {
      hint: `mica umount ${mount.target}`,
    });
  }
  const server = await connectControl(mount.socket);
  try {
    return await use(server);
  } finally {
    server.close();
  }
}

function settleHere(stack: StackDescription, upper: UpperDescription): void {
  try {
    const { lowers, upper: layer } = openStack(stack);
    if (layer === undefined) return;
    const union = new Union({ lowers, upper: layer });
    try {
      union.settle();
    } finally {
      union.destroy();
    }
  } catch (error) {
    throw mountFailure(`cannot settle ${upper.path}`, error);
  }
}
