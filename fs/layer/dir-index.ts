// The index of one committed layer: `<id>/index` beside `<id>/fs`. It is trusted if it names this snapshot, its
// parent and this very folder; otherwise it is made again from the folder.

import { join, dirname as parentFolder } from 'node:path';
import type { Tree } from '../erofs/tree.js';
import { writeImage } from '../erofs/writer.js';
import { EIO, FsError } from '../errno.js';
import { Attr } from '../filesystem.js';
import { fromText } from '../name.js';
import {
  type IndexFile,
  packIndex,
  parseIndex,
  readIndex,
  readIndexHead,
  replaceFile,
} from './index-file.js';
import { type Dialect, LayerEntry, type MarkPrefix, type ReadLayer } from './layer.js';
import { scanLayer } from './scan-layer.js';

/** What never changes about a committed snapshot, and what a lost database is rebuilt from. */
export interface SnapshotFacts {
  /** The name of the snapshot's folder. */
  readonly id: string;
  /** The parent's; absent for a chain of one. */
  readonly parent?: string;
  readonly name: string;
  readonly form: string;
}

/** A layer folder that has, or may have, an index beside it. */
export interface IndexedLayer {
  /** The layer's folder. */
  readonly path: string;
  readonly dialect: Dialect;
  readonly marks: MarkPrefix;
  readonly facts: SnapshotFacts;
}

export function indexPath(path: string): string {
  return join(parentFolder(path), 'index');
}

/** How much room a tree takes: bytes of allocated blocks, and inodes. */
export interface TreeUsage {
  readonly size: number;
  readonly inodes: number;
}

/**
 * Makes the index of a layer's folder and puts it in its place; `layer` is that folder, open. Returns what the entries
 * of the index take. EINVAL for what an index cannot say.
 */
export function writeLayerIndex(of: IndexedLayer, layer: ReadLayer): TreeUsage {
  const tree = treeOf(of, layer);
  replaceFile(indexPath(of.path), pack(of, layer, tree));
  return usageOf(tree);
}

function treeOf(of: IndexedLayer, layer: ReadLayer): Tree {
  return scanLayer(layer, { marks: of.marks, dataPath: `/${fromText(of.facts.id)}/fs` });
}

function pack(of: IndexedLayer, layer: ReadLayer, tree: Tree): Uint8Array {
  return packIndex(writeImage(tree), of.marks, layerTrailer(of, layer));
}

/** A file with several names counts once. */
function usageOf(tree: Tree): TreeUsage {
  let size = 0;
  let inodes = 0;
  for (let entry = 0; entry < tree.count; entry++) {
    if (tree.link[entry]! >= 0) continue;
    size += tree.blocks[entry]! * 512;
    inodes++;
  }
  return { size, inodes };
}

/** The digest of a layer's index, its image unread; undefined if it is missing, damaged or of something else. */
export function layerIndexDigest(of: IndexedLayer, layer: ReadLayer): string | undefined {
  try {
    const { digest, marks, trailer } = readIndexHead(indexPath(of.path));
    return marks === of.marks && trailer === layerTrailer(of, layer) ? digest : undefined;
  } catch (error) {
    if (isUnusable(error)) return undefined;
    throw error;
  }
}

/** The index of a layer, made again if it is missing, damaged or of something else. */
export function layerIndex(of: IndexedLayer, layer: ReadLayer): IndexFile {
  try {
    const index = readIndex(indexPath(of.path));
    if (index.marks === of.marks && index.trailer === layerTrailer(of, layer)) return index;
    index.release();
  } catch (error) {
    if (!isUnusable(error)) throw error;
  }
  const bytes = pack(of, layer, treeOf(of, layer));
  keepIfPossible(indexPath(of.path), bytes);
  return parseIndex(bytes);
}

/** Writes what can be made again; a folder that cannot be written to is no failure. */
export function keepIfPossible(path: string, bytes: Uint8Array): void {
  try {
    replaceFile(path, bytes);
  } catch (error) {
    if (!isUnusable(error)) throw error;
  }
}

/** True for what the system or a file says, as opposed to a fault of this program. */
export function isUnusable(error: unknown): boolean {
  return error instanceof FsError || typeof (error as NodeJS.ErrnoException).code === 'string';
}

/** One line of JSON: equal trailers speak of the same folder in the same state. */
export function layerTrailer({ dialect, marks, facts }: IndexedLayer, layer: ReadLayer): string {
  const root = new LayerEntry(new Attr());
  if (!layer.lookup('', '.', root)) throw new FsError(EIO, 'root of a layer');
  const { ino, ctimeSec, ctimeNsec } = root.attr;
  const { id, parent, name, form } = facts;
  return JSON.stringify({
    kind: 'layer',
    id,
    parent,
    name,
    form,
    dialect,
    marks,
    fs: { ino, ctimeSec, ctimeNsec },
  });
}
