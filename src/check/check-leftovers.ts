// What lies in the folders of a store and no row names: left by processes that were killed. It costs space and nothing
// else. What somebody is just making is locked, and passed over.

import { closeSync, existsSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { chainMembers, isUnusable, readIndexHead, sys } from '../../fs/index.js';
import { lockFolder } from '../content/folder-lock.js';
import { blobRows, getBlob } from '../metadata/blobs.js';
import { listNamespaces } from '../metadata/namespaces.js';
import { isSnapshotId } from '../metadata/snapshots.js';
import { removeTree, SnapshotFolders } from '../snapshots/folders.js';
import type { Store } from '../store.js';
import type { Report } from './report.js';

export interface Leftover {
  /** Absolute. */
  readonly path: string;
  readonly why: string;
  /** Removes it, unless it has got a name meanwhile. */
  readonly remove: () => Promise<void>;
}

export async function checkLeftovers(store: Store, report: Report): Promise<void> {
  for (const { path, why, remove } of leftoversIn(store)) {
    await report.add({ part: 'leftover', name: path, why, level: 'note' }, async () => {
      await remove();
      return 'removed it';
    });
  }
}

export function leftoversIn(store: Store): readonly Leftover[] {
  return [...snapshotFolders(store), ...blobFiles(store), ...ingestFolders(store), ...chainFiles(store)];
}

function snapshotFolders({ folders, metadata }: Store): readonly Leftover[] {
  const isNamed = (id: string) => metadata.read((tx) => isSnapshotId(tx, id));
  const parent = new SnapshotFolders(folders.snapshots);
  return namesIn(folders.snapshots).flatMap((name): Leftover[] => {
    const path = join(folders.snapshots, name);
    if (/^[0-9]+$/.test(name)) {
      if (isNamed(name) || isLocked(path)) return [];
      const remove = async () => {
        if (!isNamed(name)) parent.remove(name);
      };
      return [{ path, why: 'no snapshot has this folder', remove }];
    }
    if (!/^(new|rm)-/.test(name) || isLocked(path)) return [];
    return [{ path, why: 'it was being made or removed', remove: async () => removeTree(path) }];
  });
}

function blobFiles({ folders, metadata }: Store): readonly Leftover[] {
  const folder = join(folders.content, 'blobs', 'sha256');
  const namespaces = metadata.read((tx) => listNamespaces(tx).map(({ name }) => name));
  return namesIn(folder).flatMap((name): Leftover[] => {
    const digest = `sha256:${name}`;
    const isNamed = metadata.read((tx) => namespaces.some((ns) => getBlob(tx, ns, digest) !== undefined));
    if (isNamed) return [];
    const path = join(folder, name);
    const remove = () =>
      blobRows(metadata, 'default').unlessNamed(digest, () => rmSync(path, { force: true }));
    return [{ path, why: 'no namespace has this blob', remove }];
  });
}

/** One without a ref was cut short while it was begun, and nobody can go on with it. */
function ingestFolders({ folders }: Store): readonly Leftover[] {
  const parent = join(folders.content, 'ingest');
  return namesIn(parent).flatMap((name): Leftover[] => {
    const path = join(parent, name);
    if (existsSync(join(path, 'ref'))) return [];
    const lock = lockFolder(path);
    if (typeof lock === 'string') return [];
    lock.release();
    return [{ path, why: 'an ingest that was never begun', remove: async () => removeTree(path) }];
  });
}

function chainFiles({ folders, metadata }: Store): readonly Leftover[] {
  return namesIn(folders.chains).flatMap((name): Leftover[] => {
    const path = join(folders.chains, name);
    const members = membersOf(path);
    const isWanted = members?.every((id) => metadata.read((tx) => isSnapshotId(tx, id))) === true;
    if (isWanted || !existsSync(path)) return [];
    const why =
      members === undefined ? 'the index of a chain is damaged' : 'the index of a chain that is gone';
    return [{ path, why, remove: async () => rmSync(path, { force: true }) }];
  });
}

function membersOf(path: string): readonly string[] | undefined {
  try {
    return chainMembers(readIndexHead(path).trailer);
  } catch (error) {
    if (isUnusable(error)) return undefined;
    throw error;
  }
}

function isLocked(path: string): boolean {
  if (process.platform !== 'linux') return false;
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw error;
  }
  try {
    return !sys.tryLock(fd);
  } finally {
    closeSync(fd);
  }
}

function namesIn(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}
