// The mount that a caller asks for may be there: containerd calls its mount helper again where it lost the exit code of the
// first call (ECHILD: its reaper of orphans was quicker), and takes a refusal as a failure of the container. Mounting once
// more could only be refused, because the upper is held, or hide what is there.

import { existsSync, realpathSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { OwnerRules, StackDescription } from '../../fs/index.js';
import { connectControl } from '../mounts/control-socket.js';
import { isMountedHere, type MountTable } from '../mounts/table.js';

/** Whether a mount of the very same layers is live at `target`, as writable as the one that is asked for, with its owners. */
export async function isLiveAlready(
  stack: StackDescription,
  target: string,
  readOnly: boolean,
  owners: OwnerRules | undefined,
  table: MountTable,
): Promise<boolean> {
  const mount = existsSync(target) ? table.at(realpathSync(target)) : undefined;
  if (mount?.state !== 'live' || mount.socket === undefined || !isMountedHere(mount)) return false;
  if (mount.readOnly !== (readOnly || stack.upper === undefined)) return false;
  if (!isDeepStrictEqual(mount.owners, owners)) return false;
  const server = await connectControl(mount.socket);
  try {
    const { stack: served } = await server.ask({ op: 'status' });
    return placesOf(served) === placesOf(stack);
  } finally {
    server.close();
  }
}

/** The folders of a stack by their real paths, each in its part. */
function placesOf({ lowers, data = [], upper }: StackDescription): string {
  const real = ({ path }: { readonly path: string }): string => realpathSync(path);
  return JSON.stringify([lowers.map(real), data.map(real), upper && [real(upper), realpathSync(upper.work)]]);
}
