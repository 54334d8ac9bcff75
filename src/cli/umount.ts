// `mica umount`: ends mounts and keeps their snapshots.

import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { StoreError } from '../errors.js';
import type { ListedMount, MountRow } from '../mounts/table.js';
import type { Declare } from './commands.js';
import type { Context } from './context.js';

interface Words {
  readonly all?: boolean;
  readonly stale?: boolean;
  readonly rm?: boolean;
  readonly lazy?: boolean;
}

export const declareUmount: Declare = (command, act) => {
  command
    .argument('[dirs...]', 'mount points, or keys')
    .option('--all', 'every mount of this program')
    .option('--stale', 'those whose server has died, and what killed labs have left')
    .option('--rm', 'remove the snapshots as well')
    .option('--lazy', 'out of sight at once, gone with the last user')
    .action(
      act(async (context, dirs: readonly string[], words: Words) => {
        const { isMountedHere, MountTable } = await import('../mounts/table.js');
        const { mountJson } = await import('./mounts.js');
        const { unmountSnapshot } = await import('../mounts/mount-snapshot.js');
        const { state } = context.settings;
        const mounts = new MountTable(state).list();
        const chosen = choose(mounts, dirs, words, isMountedHere);
        const { statsOf, statsText } = await import('./request-stats.js');
        const ended: object[] = [];
        for (const target of chosen) {
          const listed = mounts.find((mount) => mount.target === target);
          const stats = listed === undefined ? undefined : await statsOf(listed);
          const row = await unmountSnapshot(target, state, words.lazy === true);
          ended.push({ ...mountJson({ ...row, state: 'dead' }), ...(stats === undefined ? {} : { stats }) });
          if (stats !== undefined && !context.output.json) context.output.note(statsText(stats));
          if (words.rm === true) await removeSnapshotOf(context, row);
          if (!context.output.json) context.output.line(row.snapshot?.key ?? row.target);
        }
        if (words.stale === true) {
          const { sweepLabs } = await import('./lab/belongings.js');
          for (const lab of await sweepLabs(context)) {
            if (context.output.json) ended.push({ lab });
            else context.output.line(lab);
          }
        }
        if (context.output.json) context.output.document(ended);
      }),
    );
};

function choose(
  mounts: readonly ListedMount[],
  dirs: readonly string[],
  words: Words,
  isHere: (mount: ListedMount) => boolean,
): readonly string[] {
  if (words.all === true || words.stale === true) {
    if (dirs.length > 0) throw wrong('--all and --stale take no folder');
    // Those of containers and other namespaces end with these.
    const wanted = mounts.filter((mount) => (words.all === true && isHere(mount)) || mount.state === 'dead');
    // What lies in another mount goes first.
    return wanted.map(({ target }) => target).reverse();
  }
  if (dirs.length === 0) throw wrong('a folder is missing');
  return dirs.map((dir) => {
    const key = dir.replace(/^key:/, '');
    return mounts.find(({ snapshot }) => snapshot?.key === key)?.target ?? realOf(dir);
  });
}

function wrong(why: string): StoreError {
  return new StoreError('invalid-argument', 'cannot unmount', why, { hint: 'mica umount --help' });
}

/** A mount point without symlinks; one whose server died cannot be looked at and is taken as typed. */
function realOf(dir: string): string {
  const path = resolve(dir);
  try {
    return realpathSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return path;
    throw error;
  }
}

async function removeSnapshotOf(context: Context, row: MountRow): Promise<void> {
  const { snapshot } = row;
  if (snapshot === undefined) return;
  const store = await context.store();
  if (snapshot.store !== store.folders.snapshots || snapshot.namespace !== store.namespace) {
    throw new StoreError(
      'failed-precondition',
      `cannot remove snapshot ${snapshot.key}`,
      'it is in another store',
      {
        hint: `mica --root … -n ${snapshot.namespace} snapshot rm ${snapshot.key}`,
      },
    );
  }
  await store.snapshots.remove(snapshot.key);
}
