// Lowers that are the upper of another mount, as an engine hands over a container's layer to compare it with what it
// stands on. Names of a hard link that its index alone knows are in no folder, so a reader would miss them: they are made
// first, by the server of the upper if it has one.

import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { openStack, type StackDescription, sys, Union, type UpperDescription } from '../../fs/index.js';
import { mountFailure } from '../mounts/mount-failure.js';
import { isGuarded, prepareToRead } from '../mounts/settle.js';
import type { MountTable } from '../mounts/table.js';

/** Makes each lower of the stack one that may be read as a lower. */
export async function lowersToRead(
  { lowers, data, upper: own }: StackDescription,
  table: MountTable,
): Promise<void> {
  for (const [at, lower] of lowers.entries()) {
    const upper = asUpper(lower.path);
    if (upper === undefined || !isGuarded(upper)) continue;
    // A folder beside the upper of this mount.
    if (own !== undefined && realpathSync(own.work) === realpathSync(upper.work)) continue;
    const mount = table.writing(upper.path);
    if (mount?.state === 'live') await prepareToRead(mount);
    else joinHere({ ...(data && { data }), lowers: lowers.slice(at + 1), upper });
  }
}

/**
 * What a folder would be as an upper, where it is one by its name and place: `diff` beside `work`, as the engines have it
 * (containers/storage). Under other names the work folder beside it is anybody's.
 */
export function asUpper(path: string): UpperDescription | undefined {
  const work = join(dirname(path), 'work');
  if (basename(path) !== 'diff' || !existsSync(join(work, 'work'))) return undefined;
  if (statSync(work).dev !== statSync(path).dev) return undefined;
  const marks = sys.mayUseTrustedXattrs() ? 'trusted' : 'user';
  return { path, work, id: path, dialect: 'wh', marks };
}

function joinHere(stack: StackDescription): void {
  try {
    const { lowers, upper, data } = openStack(stack);
    const union = new Union({ lowers, ...(upper && { upper }), ...(data && { data }) });
    try {
      union.joinLinks();
    } finally {
      union.destroy();
    }
  } catch (error) {
    throw mountFailure(`cannot read ${stack.upper?.path}, the upper of a mount that has ended`, error);
  }
}
