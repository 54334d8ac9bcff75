// What the words of `mica diff` mean: two trees, of keys, snapshots, images, mounts or folders.

import { existsSync, readFileSync, statSync } from 'node:fs';
import type { StackDescription } from '../../fs/index.js';
import type { Trees } from '../diff/differ.js';
import { openSnapshotTrees } from '../diff/snapshot-trees.js';
import { isKind, StoreError } from '../errors.js';
import type { ImageRow } from '../metadata/rows.js';
import type { Mount } from '../mounts/mount.js';
import { MountTable } from '../mounts/table.js';
import type { StoredSnapshot } from '../snapshots/snapshot.js';
import type { Store } from '../store.js';
import type { Context } from './context.js';
import { folderAt, isPath } from './mounted.js';
import { parseMounts } from './mounts.js';
import { openUnion, stackToRead } from './reading.js';
import { meaningOf } from './words.js';

/** A tree that a word means: of a snapshot (which may show an image), or a plain folder. */
export interface MeantTree {
  readonly stack: StackDescription;
  readonly snapshot?: StoredSnapshot;
  readonly image?: ImageRow;
}

/** What there is in a tree, and what it is compared with: B, else what A is built on. */
export interface MeantTrees {
  readonly a: MeantTree;
  readonly b: MeantTree | undefined;
}

/** What A and B mean. not-found for a word that means nothing, invalid-argument for a folder without B. */
export async function treesMeant(context: Context, a: string, b: string | undefined): Promise<MeantTrees> {
  const what = `cannot compare ${a}`;
  const one = await treeMeant(context, a, what);
  if (b !== undefined) return { a: one, b: await treeMeant(context, b, `cannot compare ${b}`) };
  if (one.snapshot === undefined) {
    throw new StoreError('invalid-argument', what, 'a folder has no parent', { hint: `mica diff ${a} B` });
  }
  return { a: one, b: undefined };
}

/** Opens the trees for `use`. */
export async function withTrees<T>(
  context: Context,
  { a, b }: MeantTrees,
  use: (trees: Trees) => Promise<T>,
): Promise<T> {
  const opened: { close(): void }[] = [];
  try {
    if (b !== undefined) {
      return await use({ from: openUnion(b.stack, opened), to: openUnion(a.stack, opened) });
    }
    const { stack, snapshot } = a;
    const form = snapshot?.form ?? 'diff';
    const trees = openSnapshotTrees(stack, await stackBelow(await context.store(), a), form);
    opened.push(trees);
    return await use(trees);
  } finally {
    for (const one of opened.reverse()) one.close();
  }
}

/** The mounts in a file as `snapshot mounts --json` prints them; `-` is stdin. not-found, invalid-argument. */
export function mountsIn(file: string): readonly Mount[] {
  const place = file === '-' ? 'on stdin' : `in ${file}`;
  if (file !== '-' && !existsSync(file)) {
    throw new StoreError('not-found', `cannot read the mounts ${place}`, 'there is no such file');
  }
  return parseMounts(readFileSync(file === '-' ? 0 : file, 'utf8'), place);
}

/** What the snapshot is built on; undefined if that is nothing. */
async function stackBelow(
  store: Store,
  { stack, snapshot }: MeantTree,
): Promise<StackDescription | undefined> {
  if (snapshot?.form === 'full') {
    if (snapshot.parent === undefined) return undefined;
    return stackToRead(store, await store.snapshots.stat(snapshot.parent));
  }
  const { upper, lowers, ...rest } = stack;
  const below = upper === undefined ? lowers.slice(1) : lowers;
  return below.length === 0 ? undefined : { ...rest, lowers: below };
}

async function treeMeant(context: Context, word: string, what: string): Promise<MeantTree> {
  const path = folderAt(word);
  if (isPath(word)) {
    if (path === undefined) throw new StoreError('not-found', what, 'there is no such folder');
    return treeAt(context, path, word, what);
  }
  const store = await context.store();
  try {
    const { snapshot, image } = await meaningOf(store, word, what);
    const stack = await stackToRead(store, snapshot);
    return { stack, snapshot, ...(image === undefined ? {} : { image }) };
  } catch (error) {
    // What no key, snapshot or image is called may still be a folder, typed without ./ before it.
    if (path !== undefined && isKind(error, 'not-found')) return treeAt(context, path, word, what);
    throw error;
  }
}

async function treeAt(context: Context, path: string, word: string, what: string): Promise<MeantTree> {
  const mount = new MountTable(context.settings.state).at(path);
  if (mount?.snapshot !== undefined) {
    const store = await context.store();
    const snapshot = await store.snapshots.stat(mount.snapshot.key);
    return { stack: await stackToRead(store, snapshot), snapshot };
  }
  if (!statSync(path).isDirectory()) throw new StoreError('invalid-argument', what, 'it is not a folder');
  return { stack: { lowers: [{ path, id: word, dialect: 'overlay' }] } };
}
