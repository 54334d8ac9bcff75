// Applies a layer to what a list of mounts shows, as containerd's Apply is asked to. A snapshot of ours is not mounted for
// that: the layer goes through the union over its folders, without any privilege. Everything else is mounted for the
// moment and changed as any process would change it.

import { closeSync, fstatSync, mkdtempSync, openSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { sys } from '../../fs/index.js';
import { planFromWords } from '../../native-fallback/index.js';
import type { Applied, ApplyOptions } from '../diff/apply.js';
import type { Mount } from '../mounts/mount.js';
import { withTempMount } from '../mounts/mount-all.js';
import { removeTree } from '../snapshots/folders.js';
import type { StoreSnapshotter } from '../snapshots/snapshot.js';
import { applyTo } from './apply-layer.js';

/** Whose snapshots are known by their folders. */
export interface OwnSnapshots {
  readonly snapshots: StoreSnapshotter;
  /** The folder of the snapshots' folders. */
  readonly folder: string;
  /** The key of the active snapshot whose folder has this name; undefined if there is none. */
  keyOf(id: string): string | undefined;
}

/** As `applyTo`; fails as `mountAll` where something has to be mounted. */
export async function applyToMounts(
  mounts: readonly Mount[],
  layer: AsyncIterable<Uint8Array>,
  own: OwnSnapshots,
  what: string,
  options: ApplyOptions = {},
): Promise<Applied> {
  const key = ownKey(mounts, own);
  if (key !== undefined) {
    const { form } = await own.snapshots.stat(key);
    return applyTo(await own.snapshots.stack(key), form, layer, what, options);
  }
  return withTempMount(mounts, (target) => applyToTree(target, layer, what, options));
}

function ownKey(mounts: readonly Mount[], { folder, keyOf }: OwnSnapshots): string | undefined {
  const [mount, ...others] = mounts;
  const path = mount === undefined || others.length > 0 ? undefined : upperOf(mount);
  if (path === undefined || basename(path) !== 'fs' || dirname(dirname(path)) !== folder) return undefined;
  return keyOf(basename(dirname(path)));
}

/** The folder that a mount writes to; undefined where it cannot be told, or there is none. */
function upperOf({ type, source, options }: Mount): string | undefined {
  if (type === 'bind') return options.includes('ro') ? undefined : source;
  if (type !== 'overlay' && !type.startsWith('fuse3.')) return undefined;
  // An upper alone, which our mount program takes, has no lowers.
  const hasLowers = options.some((word) => word.startsWith('lowerdir='));
  const plan = planFromWords(hasLowers ? options : [...options, 'lowerdir=/'], false);
  return plan.kind === 'overlay' ? plan.upper?.path : undefined;
}

/** The folder for what has no name yet lies in the tree, because it must be on its filesystem, and is gone afterwards. */
async function applyToTree(
  target: string,
  layer: AsyncIterable<Uint8Array>,
  what: string,
  options: ApplyOptions,
): Promise<Applied> {
  const work = mkdtempSync(join(target, '.mica-apply-'));
  const upper = { path: target, work, id: target, dialect: 'overlay', marks: 'user' } as const;
  const root = openSync(target, 'r');
  try {
    try {
      return await applyTo({ lowers: [], upper }, 'full', layer, what, options);
    } finally {
      const { mtimeNs } = fstatSync(root, { bigint: true });
      removeTree(work);
      const [sec, nsec] = [Number(mtimeNs / 1_000_000_000n), Number(mtimeNs % 1_000_000_000n)];
      sys.utimesFd(root, undefined, { sec, nsec });
    }
  } finally {
    closeSync(root);
  }
}
