// Checks a store as a whole, all namespaces of it: rows against rows, folders and blobs; indexes entry by entry; images;
// and what lies about. Repairing does only what loses nothing: what is derived is made again, what nothing names goes.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isKind } from '../errors.js';
import { Metadata } from '../metadata/db.js';
import { ensureStoreFolders, type StoreFolders } from '../root-folder.js';
import { Store, type StoreOptions } from '../store.js';
import { checkBlobs, checkImages } from './check-content.js';
import { checkLeftovers } from './check-leftovers.js';
import { checkRows } from './check-rows.js';
import { checkSnapshots } from './check-snapshots.js';
import { rebuild } from './rebuild.js';
import { type CheckOptions, type Problem, Report } from './report.js';

export interface FsckResult {
  readonly problems: readonly Problem[];
  /** Sound, or made so. */
  readonly ok: boolean;
}

/** Checks the store in the folder `root`. Fails only where it cannot look. */
export async function fsck(
  root: string,
  store: StoreOptions,
  options: CheckOptions = {},
): Promise<FsckResult> {
  const report = new Report(options);
  const folders = ensureStoreFolders(root);
  const damage = await damageOf(folders);
  if (damage !== undefined) {
    const hint = 'mica fsck --repair makes new metadata of what the folders say, and keeps the old file';
    await report.add(
      { part: 'metadata', name: folders.metadata, why: damage, level: 'error', hint },
      async () => {
        const { kept, told } = await rebuild(folders);
        for (const one of told) report.problems.push(one);
        return `made it again from the folders${kept === undefined ? '' : `; the old one is ${kept}`}`;
      },
    );
    if (options.repair !== true) return { problems: report.problems, ok: false };
  }
  const opened = await Store.open(root, store);
  try {
    await checkRows(opened, report);
    await checkSnapshots(opened, report, options);
    await checkBlobs(opened, report, options);
    await checkImages(opened, report);
    await checkLeftovers(opened, report);
  } finally {
    await opened.close();
  }
  return { problems: report.problems, ok: report.isSound };
}

/** Why the metadata cannot be used; undefined if they can. */
async function damageOf(folders: StoreFolders): Promise<string | undefined> {
  const hasData = existsSync(join(folders.metadata, 'data.mdb'));
  if (!hasData)
    return hasObjects(folders) ? 'the metadata are missing, and there are snapshots or blobs' : undefined;
  try {
    const metadata = Metadata.open(folders.metadata);
    try {
      // Every value is read: one that cannot be is damage, too.
      metadata.read((tx) => tx.list(['v1']).length);
      const knows = metadata.read((tx) =>
        ['snapshots', 'blobs'].some((kind) => tx.keys(['v1', kind]).length > 0),
      );
      const began = metadata.read((tx) => (tx.get<number>(['v1', 'sequence']) ?? 0) > 0);
      // An empty database that was made in the place of one that was lost.
      if (!knows && !began && hasObjects(folders))
        return 'the metadata are empty, and there are snapshots or blobs';
    } finally {
      await metadata.close();
    }
    return undefined;
  } catch (error) {
    if (isKind(error, 'corrupt')) return error.why;
    throw error;
  }
}

function hasObjects({ snapshots, content }: StoreFolders): boolean {
  const blobs = join(content, 'blobs', 'sha256');
  return (
    readdirSync(snapshots).some((name) => /^[0-9]+$/.test(name)) ||
    (existsSync(blobs) && readdirSync(blobs).length > 0)
  );
}
