// The flattened index of a chain: the images of its layers merged into one, kept in a folder of such files under a
// digest of the ordered list of theirs. It is a memo of the chain and no more. Where it cannot be had (an index
// that cannot be made, layers on several filesystems or with marks of two kinds) the chain is walked folder by
// folder, which is slower and shows the same.

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { mergeImages } from '../erofs/merge.js';
import { writeImage } from '../erofs/writer.js';
import { EIO, FsError } from '../errno.js';
import { hasFeature } from '../sys/index.js';
import { type IndexedLayer, isUnusable, keepIfPossible, layerIndex, layerIndexDigest } from './dir-index.js';
import { ErofsLayer } from './erofs-layer.js';
import { type IndexFile, packIndex, parseIndex, readIndex, sha256 } from './index-file.js';
import type { ReadLayer } from './layer.js';
import { markName } from './marks.js';

/** A layer of a chain with its folder, open. */
export interface OpenIndexedLayer extends IndexedLayer {
  readonly layer: ReadLayer;
}

/**
 * The chain as one layer, which then owns the open folders; undefined if there is no index of it and none can be
 * made, and the folders are still the caller's. `chain` topmost first; `folder` is where flattened ones are kept.
 */
export function openChain(chain: readonly OpenIndexedLayer[], folder: string): ErofsLayer | undefined {
  const top = chain[0];
  if (top === undefined || !hasIndex(chain)) return undefined;
  try {
    const index = known(chain, folder) ?? made(chain, folder);
    const layers = chain.map(({ layer }) => layer);
    return new ErofsLayer(index, { id: top.layer.id, marks: top.marks, layers, flattened: true });
  } catch (error) {
    if (isUnusable(error)) return undefined;
    throw error;
  }
}

/** The file in which the index of a chain is kept, made now where it was not; undefined where it cannot be kept. */
export function chainFile(chain: readonly OpenIndexedLayer[], folder: string): string | undefined {
  keepChain(chain, folder);
  const digests = hasIndex(chain) ? digestsOf(chain) : undefined;
  const index = digests && known(chain, folder);
  index?.release();
  return digests && index && join(folder, keyOf(digests));
}

/** Makes and keeps the index of a chain where that was not done; it is not read. */
export function keepChain(chain: readonly OpenIndexedLayer[], folder: string): void {
  if (!hasIndex(chain)) return;
  try {
    const digests = digestsOf(chain);
    if (digests === undefined || !existsSync(join(folder, keyOf(digests)))) flatten(chain, folder);
  } catch (error) {
    if (!isUnusable(error)) throw error;
  }
}

function hasIndex(chain: readonly OpenIndexedLayer[]): boolean {
  const top = chain[0];
  if (top === undefined || !hasFeature('index')) return false;
  return chain.every(({ marks, layer }) => marks === top.marks && layer.device === top.layer.device);
}

/** Those of the layers' indexes; undefined unless all stand. */
function digestsOf(chain: readonly OpenIndexedLayer[]): readonly string[] | undefined {
  const digests: string[] = [];
  for (const of of chain) {
    const digest = layerIndexDigest(of, of.layer);
    if (digest === undefined) return undefined;
    digests.push(digest);
  }
  return digests;
}

/** The kept index of a chain whose layers' indexes all stand; undefined otherwise. */
function known(chain: readonly OpenIndexedLayer[], folder: string): IndexFile | undefined {
  const digests = digestsOf(chain);
  if (digests === undefined) return undefined;
  const path = join(folder, keyOf(digests));
  if (!existsSync(path)) return undefined;
  try {
    const index = readIndex(path);
    if (index.trailer === trailerOf(chain, digests)) return index;
    index.release();
    return undefined;
  } catch (error) {
    if (isUnusable(error)) return undefined;
    throw error;
  }
}

/** The index of a chain made now: where it could be kept its memory is the file's, and no longer this process's. */
function made(chain: readonly OpenIndexedLayer[], folder: string): IndexFile {
  const bytes = flatten(chain, folder);
  return known(chain, folder) ?? parseIndex(bytes);
}

/** Makes the index of a chain, keeps it where that is possible, and returns the bytes of its file. */
function flatten(chain: readonly OpenIndexedLayer[], folder: string): Uint8Array {
  const indexes: IndexFile[] = [];
  try {
    for (const of of chain) indexes.push(layerIndex(of, of.layer));
    const digests = indexes.map(({ digest }) => digest);
    const { marks } = chain[0]!;
    const images = indexes.map(({ image }) => image);
    const tree = mergeImages(images, markName(marks, ''));
    const bytes = packIndex(writeImage(tree), marks, trailerOf(chain, digests));
    keep(folder, keyOf(digests), bytes);
    return bytes;
  } finally {
    for (const index of indexes) index.release();
  }
}

function keep(folder: string, key: string, bytes: Uint8Array): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    if (!isUnusable(error)) throw error;
    return;
  }
  keepIfPossible(join(folder, key), bytes);
}

function keyOf(digests: readonly string[]): string {
  return sha256(Buffer.from(`chain 2\n${digests.join('\n')}\n`)).toString('hex');
}

function trailerOf(chain: readonly IndexedLayer[], digests: readonly string[]): string {
  const layers = chain.map(({ facts }, i) => ({ id: facts.id, digest: digests[i] }));
  return JSON.stringify({ kind: 'chain', layers });
}

/** The ids of the layers that a flattened index is made of; EIO if the file is none. */
export function chainMembers(trailer: string): readonly string[] {
  const { kind, layers } = JSON.parse(trailer) as { kind: string; layers: readonly { id: string }[] };
  if (kind !== 'chain') throw new FsError(EIO, 'index of a chain');
  return layers.map(({ id }) => id);
}
