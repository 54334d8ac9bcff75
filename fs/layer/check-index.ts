// Holds the index of a committed layer against its folder, entry by entry. The same folder always gives the same bytes,
// so that those are compared first; only where they differ it is told in which paths.

import type { Tree } from '../erofs/tree.js';
import { writeImage } from '../erofs/writer.js';
import { EINVAL, ENOENT, FsError } from '../errno.js';
import { isFolder } from '../mode.js';
import { type ByteString, fromText, joinPath } from '../name.js';
import { type IndexedLayer, indexPath, isUnusable, layerTrailer } from './dir-index.js';
import { ErofsLayer } from './erofs-layer.js';
import { type IndexFile, packIndex, parseIndex, readIndex } from './index-file.js';
import type { ReadLayer } from './layer.js';
import { scanLayer } from './scan-layer.js';

/**
 * `same`; `none`: the folder holds what an index cannot say, and there is none; `missing`; `damaged`: its own digests do
 * not hold; `stale`: it is of another snapshot, or of another folder with the same content; `differs`: the folder has
 * changed since. All but the last are made good by making it again.
 */
export type IndexFinding =
  | { readonly kind: 'same' | 'none' | 'missing' | 'damaged' | 'stale' }
  | { readonly kind: 'differs'; readonly paths: readonly ByteString[] };

/** `layer` is the folder of `of`, open. */
export function checkLayerIndex(of: IndexedLayer, layer: ReadLayer): IndexFinding {
  let index: IndexFile;
  try {
    index = readIndex(indexPath(of.path));
  } catch (error) {
    if (!isUnusable(error)) throw error;
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' && !isAbsent(error)) return { kind: 'damaged' };
    return { kind: canBeIndexed(of, layer) ? 'missing' : 'none' };
  }
  try {
    const trailer = layerTrailer(of, layer);
    const identity = index.marks === of.marks ? identityIn(index.trailer, trailer) : 'other';
    if (identity === 'other') return { kind: 'stale' };
    const tree = treeOf(of, layer);
    if (index.trailer === trailer) {
      const made = parseIndex(packIndex(writeImage(tree), of.marks, trailer));
      if (made.digest === index.digest) return { kind: 'same' };
    }
    const kept = new ErofsLayer(index, {
      id: of.facts.id,
      marks: of.marks,
      layers: [layer],
      flattened: false,
    });
    const paths = differences(treeOf(of, kept), tree, identity === 'copy');
    return paths.length === 0 ? { kind: 'stale' } : { kind: 'differs', paths };
  } finally {
    index.release();
  }
}

/** `copy`: the index is of this snapshot, whose folder was another one then, as after a backup was put back. */
function identityIn(kept: string, now: string): 'same' | 'copy' | 'other' {
  const { fs: keptFolder, ...keptFacts } = JSON.parse(kept) as { fs?: { ino?: number } };
  const { fs: folder, ...facts } = JSON.parse(now) as { fs?: { ino?: number } };
  if (JSON.stringify(keptFacts) !== JSON.stringify(facts)) return 'other';
  return keptFolder?.ino === folder?.ino ? 'same' : 'copy';
}

function isAbsent(error: unknown): boolean {
  return error instanceof FsError && error.errno === ENOENT;
}

function canBeIndexed(of: IndexedLayer, layer: ReadLayer): boolean {
  try {
    treeOf(of, layer);
    return true;
  } catch (error) {
    if (error instanceof FsError && error.errno === EINVAL) return false;
    throw error;
  }
}

function treeOf(of: IndexedLayer, layer: ReadLayer): Tree {
  return scanLayer(layer, { marks: of.marks, dataPath: `/${fromText(of.facts.id)}/fs` });
}

/** Paths that only one of the trees has, or that are not the same in both; `.` for the root. */
function differences(a: Tree, b: Tree, areCopies: boolean): readonly ByteString[] {
  const said = saidOf(a, areCopies);
  const paths: ByteString[] = [];
  for (const [path, what] of saidOf(b, areCopies)) {
    if (said.get(path) !== what) paths.push(path);
    said.delete(path);
  }
  return [...paths, ...said.keys()].sort();
}

function saidOf(tree: Tree, ofCopy: boolean): Map<ByteString, string> {
  const said = new Map<ByteString, string>();
  const paths: ByteString[] = [];
  for (let entry = 0; entry < tree.count; entry++) {
    const parent = tree.parent[entry]!;
    const path =
      parent < 0 ? '.' : parent === 0 ? tree.names[entry]! : joinPath(paths[parent]!, tree.names[entry]!);
    paths.push(path);
    const of = tree.link[entry]! >= 0 ? tree.link[entry]! : entry;
    said.set(path, contentOf(tree, of, ofCopy));
  }
  return said;
}

/** Of a copy what a copy keeps: numbers, blocks and the time of change are the filesystem's. */
function contentOf(tree: Tree, entry: number, ofCopy: boolean): string {
  const { mode, uid, gid, rdev, mtimeSec, mtimeNsec, size, nlink, ino, blocks, ctimeSec, ctimeNsec } = tree;
  const kept = [mode, uid, gid, rdev, mtimeSec, mtimeNsec];
  const ofFile = isFolder(mode[entry]!) && ofCopy ? [] : [size, nlink];
  const own = ofCopy ? [] : [ino, blocks, ctimeSec, ctimeNsec];
  const numbers = [...kept, ...ofFile, ...own].map((column) => column[entry]);
  return JSON.stringify([numbers, tree.target[entry], tree.xattrs[entry]]);
}
