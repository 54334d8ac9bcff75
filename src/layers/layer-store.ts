// Read-only layers: registering the tar of one, holding and releasing it, and giving its tar back after its blob was
// dropped to save space.

import { randomBytes } from 'node:crypto';
import { existsSync, renameSync } from 'node:fs';
import type { Filesystem } from '../../fs/index.js';
import { type Bytes, decompress } from '../diff/compression.js';
import { chainId as chainIdOf, type Digest } from '../digest.js';
import { isKind, StoreError } from '../errors.js';
import { applyTo } from '../images/apply-layer.js';
import { atWork, type WorkLease } from '../images/at-work.js';
import { EXTRACT_PREFIX, ownLabel, removeLeftovers } from '../images/leftovers.js';
import { openUnion, withSnapshot } from '../images/open-snapshot.js';
import { GC_ROOT, rootLabels } from '../labels.js';
import { SNAPSHOTTER_NAME } from '../metadata/gc.js';
import { type ForeignDescriptor, getLayer, listRwLayers, putLayer, removeLayer } from '../metadata/layers.js';
import { leaseHolding, leaseRows } from '../metadata/leases.js';
import type { SnapshotRow } from '../metadata/rows.js';
import { childrenOf, deleteSnapshot, getSnapshot, putSnapshot } from '../metadata/snapshots.js';
import type { ReadTx, WriteTx } from '../metadata/transaction.js';
import { noteRow } from '../snapshots/facts.js';
import { SnapshotFolders } from '../snapshots/folders.js';
import { givesBack, journalPath, NewJournal, verifiedTar, writeJournal } from './journal.js';
import type { LayerInfo, LayerParts, Reference } from './layers.js';
import { survey } from './survey.js';

export interface RegisterOptions {
  /** Chain ID of the layer below. */
  readonly parent?: Digest;
  /** What the tar is to be: corrupt if it is another. */
  readonly diffId?: Digest;
  /** Of a foreign layer. */
  readonly descriptor?: ForeignDescriptor;
  readonly signal?: AbortSignal;
}

/** The label that remote snapshotters look for, as unpacking an image sets it. */
const SNAPSHOT_REF = 'containerd.io/snapshot.ref';

/**
 * Makes a layer of a tar (gzip, zstd or plain) on top of `parent`, and holds it once; one that is there already is held
 * once more. `tar` is asked for its bytes once, or again where the framing needs a second look. not-found (the parent),
 * corrupt (no layer, or another than `diffId`). Killed in the middle, it leaves what `removeLeftovers` takes away.
 */
export async function registerLayer(
  parts: LayerParts,
  tar: () => Bytes,
  options: RegisterOptions = {},
): Promise<LayerInfo> {
  const what = 'cannot register layer';
  const chainId = await atWork(leaseRows(parts.metadata, parts.namespace), (lease) =>
    registered(parts, tar, what, lease, options),
  );
  return layerNamed(parts, chainId);
}

async function registered(
  parts: LayerParts,
  tar: () => Bytes,
  what: string,
  lease: WorkLease,
  options: RegisterOptions,
): Promise<Digest> {
  const { snapshots } = parts;
  const { parent } = options;
  const key = `${EXTRACT_PREFIX}${process.hrtime.bigint()}-${randomBytes(3).toString('base64url')} layer`;
  await lease.hold({ snapshots: parent === undefined ? [key] : [parent, key] });
  if (parent !== undefined) await requireLayer(parts, parent);
  await removeLeftovers(snapshots);
  await snapshots.prepare(key, parent, { labels: ownLabel() });
  let diffId: Digest;
  try {
    diffId = await unpackWithJournal(parts, key, tar, what, options);
    const chainId = chainIdOf(parent, diffId);
    await lease.hold({ snapshots: [chainId] });
    await commitOrDrop(parts, key, chainId);
  } catch (error) {
    if (await exists(parts, key)) await snapshots.remove(key);
    throw error;
  }
  const chainId = chainIdOf(parent, diffId);
  await hold(parts, chainId, diffId, options.descriptor);
  return chainId;
}

async function unpackWithJournal(
  parts: LayerParts,
  key: string,
  tar: () => Bytes,
  what: string,
  { diffId, signal }: RegisterOptions,
): Promise<Digest> {
  const { snapshots, folders } = parts;
  const { id, form } = await snapshots.stat(key);
  const stack = await snapshots.stack(key);
  const path = journalPath(folders.snapshots, id);
  const journal = new NewJournal(path);
  let isKept = false;
  try {
    const options = { framing: journal, ...(signal === undefined ? {} : { signal }) };
    const { diffId: actual } = await applyTo(stack, form, tar(), what, options);
    if (diffId !== undefined && actual !== diffId) {
      throw new StoreError('corrupt', what, `its diff ID is ${actual}, and not ${diffId}`);
    }
    const written = await journal.close();
    await withSnapshot(snapshots, key, what, async (tree) => {
      isKept = await givesBack(written, tree, actual);
      if (isKept) await journal.keep();
      else await secondLook(path, tar, tree, actual);
    });
    return actual;
  } finally {
    if (!isKept) await journal.discard();
  }
}

/** Not every file of the archive is in the tree as the archive has it. Of a stream that is over nothing more can be had. */
async function secondLook(path: string, tar: () => Bytes, tree: Filesystem, diffId: Digest): Promise<void> {
  try {
    await writeJournal(path, () => decompress(tar()), tree, diffId);
  } catch (error) {
    if (!isKind(error, 'corrupt')) throw error;
  }
}

async function commitOrDrop(parts: LayerParts, key: string, chainId: Digest): Promise<void> {
  const { snapshots, folders } = parts;
  const { id } = await snapshots.stat(key);
  try {
    // The label that keeps it comes with the hold: until then it is the lease's.
    await snapshots.commit(chainId, key, { labels: { [SNAPSHOT_REF]: chainId } });
  } catch (error) {
    if (!isKind(error, 'already-exists')) throw error;
    const there = await snapshots.stat(chainId);
    giveJournal(journalPath(folders.snapshots, id), journalPath(folders.snapshots, there.id));
    await snapshots.remove(key);
  }
}

/** The same layer has the same tar. */
function giveJournal(from: string, to: string): void {
  if (existsSync(from) && !existsSync(to)) renameSync(from, to);
}

async function exists({ snapshots }: LayerParts, name: string): Promise<boolean> {
  try {
    await snapshots.stat(name);
    return true;
  } catch (error) {
    if (isKind(error, 'not-found')) return false;
    throw error;
  }
}

async function hold(
  parts: LayerParts,
  chainId: Digest,
  diffId: Digest,
  descriptor: ForeignDescriptor | undefined,
): Promise<void> {
  const { metadata, namespace } = parts;
  const snapshot = await metadata.write((tx) => {
    const row = getLayer(tx, namespace, chainId) ?? { chainId, diffId, holds: 0 };
    putLayer(tx, namespace, {
      ...row,
      holds: row.holds + 1,
      ...(descriptor === undefined ? {} : { descriptor }),
    });
    return setRoot(tx, namespace, chainId, true);
  });
  if (snapshot === undefined) {
    throw new StoreError('failed-precondition', `cannot hold layer ${chainId}`, 'it was removed meanwhile', {
      hint: 'try again',
    });
  }
  noteRow(new SnapshotFolders(parts.folders.snapshots), namespace, snapshot);
}

/** The label that keeps the snapshot of a held layer from garbage collection. undefined if there is no snapshot. */
function setRoot(tx: WriteTx, namespace: string, chainId: Digest, on: boolean): SnapshotRow | undefined {
  const old = getSnapshot(tx, namespace, chainId);
  if (old === undefined) return undefined;
  const { [GC_ROOT]: root, ...others } = old.labels;
  const row = { ...old, labels: on ? { ...others, [GC_ROOT]: root ?? rootLabels()[GC_ROOT]! } : others };
  putSnapshot(tx, namespace, row);
  return row;
}

/** The layer that a chain ID, or the beginning of one (4 digits or more), names. not-found, invalid-argument for several. */
export async function layerNamed(parts: LayerParts, word: string): Promise<LayerInfo> {
  const what = `cannot find layer ${word}`;
  const { layers } = await survey(parts);
  const exact = layers.get(word);
  if (exact !== undefined) return exact;
  const prefix = word.startsWith('sha256:') ? word : `sha256:${word}`;
  const isShort = /^sha256:[0-9a-f]{4,}$/.test(prefix);
  const found = isShort ? [...layers.values()].filter(({ chainId }) => chainId.startsWith(prefix)) : [];
  const [first, second] = found;
  if (first !== undefined && second === undefined) return first;
  if (second !== undefined) {
    throw new StoreError('invalid-argument', what, `${found.length} layers begin so`);
  }
  throw new StoreError('not-found', what, 'there is no layer of this chain ID', { hint: 'mica layer ls' });
}

/** failed-precondition for a layer that is damaged. */
export async function requireLayer(parts: LayerParts, word: string): Promise<LayerInfo> {
  const layer = await layerNamed(parts, word);
  if (layer.damage === undefined) return layer;
  throw new StoreError('failed-precondition', `cannot use layer ${layer.chainId}`, layer.damage, {
    hint: 'mica fsck',
  });
}

/**
 * Holds a layer once less. If nothing refers to it any more it goes, and after it each layer below that nothing refers to;
 * returns their chain IDs. failed-precondition for one that nobody holds, as long as something else refers to it.
 */
export async function releaseLayer(parts: LayerParts, chainId: Digest): Promise<readonly Digest[]> {
  const { metadata, namespace } = parts;
  const { references } = await layerNamed(parts, chainId);
  const held = metadata.read((tx) => getLayer(tx, namespace, chainId)?.holds ?? 0);
  if (held === 0 && references.length > 0) throw stillReferred(chainId, references);
  const left = await metadata.write((tx) => {
    const row = getLayer(tx, namespace, chainId);
    if (row === undefined || row.holds === 0) return 'nothing';
    putLayer(tx, namespace, { ...row, holds: row.holds - 1 });
    if (row.holds > 1) return 'nothing';
    const snapshot = setRoot(tx, namespace, chainId, false);
    if (snapshot === undefined) removeLayer(tx, namespace, chainId);
    return snapshot;
  });
  if (left === undefined) return [chainId];
  if (left !== 'nothing') noteRow(new SnapshotFolders(parts.folders.snapshots), namespace, left);
  return removeUnreferred(parts, chainId);
}

function stillReferred(chainId: Digest, references: readonly Reference[]): StoreError {
  const [first] = references;
  const others = references.length > 1 ? ` and ${references.length - 1} more` : '';
  const why = `nobody holds it by name; it is kept by ${first!.kind} ${first!.name}${others}`;
  const isLabelled = references.every(({ kind }) => kind === 'label');
  return new StoreError('failed-precondition', `cannot release layer ${chainId}`, why, {
    hint: isLabelled ? `mica snapshot label ${chainId} ${GC_ROOT}=` : `mica layer inspect ${chainId}`,
  });
}

/** Removes a layer and those below it, as far as nothing refers to them. */
export async function removeUnreferred(
  parts: LayerParts,
  chainId: Digest | undefined,
): Promise<readonly Digest[]> {
  const removed: Digest[] = [];
  for (let next = chainId; next !== undefined; ) {
    const layer = (await survey(parts)).layers.get(next);
    if (layer === undefined || layer.references.length > 0) break;
    if (!(await removeOne(parts, next))) break;
    removed.push(next);
    next = layer.parent;
  }
  return removed;
}

/** Rows in one step, then the folder. False if somebody has begun to need it meanwhile. */
async function removeOne({ metadata, namespace, folders }: LayerParts, chainId: Digest): Promise<boolean> {
  const id = await metadata.write((tx) => {
    const row = getSnapshot(tx, namespace, chainId);
    const isHeld = (getLayer(tx, namespace, chainId)?.holds ?? 0) > 0;
    if (isHeld || (row?.labels[GC_ROOT] ?? '') !== '' || isUsed(tx, namespace, chainId)) return undefined;
    removeLayer(tx, namespace, chainId);
    return row === undefined ? '' : deleteSnapshot(tx, namespace, chainId).id;
  });
  if (id === undefined) return false;
  if (id !== '') new SnapshotFolders(folders.snapshots).remove(id);
  return true;
}

function isUsed(tx: ReadTx, namespace: string, chainId: Digest): boolean {
  const resource = { type: `snapshots/${SNAPSHOTTER_NAME}`, id: chainId };
  return (
    childrenOf(tx, namespace, chainId).length > 0 ||
    leaseHolding(tx, namespace, resource) !== undefined ||
    listRwLayers(tx, namespace).some(({ parent }) => parent === chainId)
  );
}

/** The tar of a layer, as it was; corrupt at the end if it is not. not-found where its framing was not kept. */
export async function* layerTar(
  { snapshots, folders }: LayerParts,
  { chainId, cacheId, diffId }: LayerInfo,
): AsyncGenerator<Uint8Array, void> {
  const what = `cannot give back the tar of layer ${chainId}`;
  if (diffId === undefined) throw new StoreError('not-found', what, 'nothing tells its diff ID');
  const tree = openUnion(await snapshots.stack(chainId), what);
  try {
    yield* verifiedTar(journalPath(folders.snapshots, cacheId), tree, diffId);
  } finally {
    tree.destroy();
  }
}
