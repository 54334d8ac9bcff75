// An image of a committed snapshot: the layers of the image that it was made on, one new layer for each snapshot
// above that, and a config that says what was added. The snapshot stands for the new image from then on: a
// snapshot without changes on top of it gets the chain ID as its name, so nothing is unpacked and nothing copied.
// With SOURCE_DATE_EPOCH the layers are unpacked, because their times are not the snapshot's.

import { randomBytes } from 'node:crypto';
import { Attr, ROOT_NODE, SYSTEM_CALLER } from '../../fs/index.js';
import { layerOf } from '../diff/differ.js';
import { openSnapshotTrees } from '../diff/snapshot-trees.js';
import { isKind, StoreError } from '../errors.js';
import type { Descriptor, ImageRow } from '../metadata/rows.js';
import { atWork, type WorkLease } from './at-work.js';
import { type ConfigChange, changedConfig, emptyConfig } from './config.js';
import { about } from './failure.js';
import type { UnpackStore } from './images.js';
import { nameImage } from './import.js';
import { labelUnpacked } from './labels.js';
import { creationTime, type LayerBlobOptions, type NewLayer, storeLayer } from './layer-blob.js';
import { ociLayerType } from './media-types.js';
import { type NewImage, type StoredImage, storeImage } from './new-image.js';
import { withSnapshot } from './open-snapshot.js';
import { assertImageName } from './reference.js';
import type { SelectedImage } from './select.js';
import { blobsOf, openImage, topSnapshot } from './stored.js';
import { unpackImage } from './unpack.js';

export interface CommitImageOptions extends ConfigChange, LayerBlobOptions {
  /** The name of a committed snapshot. */
  readonly snapshot: string;
  /** The name of the new image. */
  readonly ref: string;
}

/**
 * Makes an image of a snapshot. not-found for a missing snapshot, failed-precondition for one that is not
 * committed or holds a name that no layer can say (`.wh.…`), canceled by the signal; the store is then as before.
 */
export async function commitImage(store: UnpackStore, options: CommitImageOptions): Promise<NewImage> {
  const what = `cannot make an image of snapshot ${options.snapshot}`;
  assertImageName(options.ref);
  return atWork(store.leases, (lease) => committed(store, what, lease, options));
}

async function committed(
  store: UnpackStore,
  what: string,
  lease: WorkLease,
  options: CommitImageOptions,
): Promise<NewImage> {
  const { snapshot, ref } = options;
  await lease.hold({ snapshots: [snapshot] });
  const { base, above } = await heldBase(store, snapshot, what, lease);
  const layers: NewLayer[] = [];
  let stored: StoredImage | undefined;
  try {
    for (const name of above) layers.push(await addLayer(store, name, what, lease, options));
    const config = changedConfig(base?.config.json ?? emptyConfig(), layers, options, creationTime(options));
    const descriptors = [...baseLayers(base), ...layers.map((layer) => layer.descriptor)];
    stored = await storeImage(store, config, descriptors, what, lease);
    // A layer whose times were cut shows another tree than the snapshot that it is of.
    if (options.epochSec === undefined) await nameByChain(store, snapshot, stored.image, lease);
    else await unpackImage(store, stored.image, what, options);
    await labelUnpacked(store.content, stored.image);
    return { row: await nameImage(store, ref, stored.target), image: stored.image };
  } catch (error) {
    for (const digest of stored?.added ?? []) await store.content.discard(digest, lease.id);
    for (const { added, descriptor } of layers)
      if (added) await store.content.discard(descriptor.digest, lease.id);
    throw about(what, error);
  }
}

interface Base {
  /** The image that the snapshot stands on; undefined if it stands on none. */
  readonly base: SelectedImage | undefined;
  /** The snapshots above it, lowest first. */
  readonly above: readonly string[];
}

/** What the new image stands on, held by the lease. */
async function heldBase(store: UnpackStore, snapshot: string, what: string, lease: WorkLease): Promise<Base> {
  for (;;) {
    const { row, ...found } = await findBase(store, snapshot, what);
    if (row === undefined || found.base === undefined) return found;
    await lease.hold({ blobs: blobsOf(found.base) });
    // As long as the image has its name nothing of it can have gone before the lease was told.
    if (store.images.get(row.name)?.target.digest === row.target.digest) return found;
  }
}

/** The nearest ancestor of the snapshot, or itself, that is the top of an image. */
async function findBase(
  store: UnpackStore,
  snapshot: string,
  what: string,
): Promise<Base & { readonly row?: ImageRow }> {
  const tops = await imageTops(store);
  const above: string[] = [];
  for (let name: string | undefined = snapshot; name !== undefined; ) {
    const info: { kind: string; parent?: string } = await store.snapshots.stat(name);
    if (info.kind !== 'committed') {
      throw new StoreError('failed-precondition', what, `it is ${info.kind}, not committed`, {
        hint: `mica commit ${name} NAME --image REF`,
      });
    }
    const top = tops.get(name);
    if (top !== undefined) return { base: top.image, row: top.row, above };
    above.unshift(name);
    name = info.parent;
  }
  return { base: undefined, above };
}

interface Top {
  readonly row: ImageRow;
  readonly image: SelectedImage;
}

/** Which snapshot shows which image. A damaged image cannot be built upon; the others can. */
async function imageTops(store: UnpackStore): Promise<ReadonlyMap<string, Top>> {
  const tops = new Map<string, Top>();
  for (const row of store.images.list()) {
    try {
      const image = await openImage(store, row, 'cannot read image');
      const top = topSnapshot(image);
      if (top !== undefined && !tops.has(top)) tops.set(top, { row, image });
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }
  return tops;
}

function baseLayers(base: SelectedImage | undefined): readonly Descriptor[] {
  return (base?.layers ?? []).map(({ descriptor: { mediaType, digest, size } }) => ({
    mediaType: ociLayerType(mediaType),
    digest,
    size,
  }));
}

/** Stores the layer of what a snapshot changed on its parent. */
async function addLayer(
  store: UnpackStore,
  name: string,
  what: string,
  lease: WorkLease,
  options: CommitImageOptions,
): Promise<NewLayer> {
  const { snapshots } = store;
  const { parent, form } = await snapshots.stat(name);
  const below = parent === undefined ? undefined : await snapshots.stack(parent);
  const trees = openSnapshotTrees(await snapshots.stack(name), below, form);
  try {
    return await storeLayer(store.content, layerOf(trees, options), what, lease, options);
  } finally {
    trees.close();
  }
}

/** Lets the chain ID of the image name what the snapshot shows. */
async function nameByChain(
  store: UnpackStore,
  snapshot: string,
  image: SelectedImage,
  lease: WorkLease,
): Promise<void> {
  const { snapshots } = store;
  const name = topSnapshot(image);
  if (name === undefined || name === snapshot) return;
  const key = `alias-${process.hrtime.bigint()}-${randomBytes(3).toString('base64url')} ${name}`;
  await lease.hold({ snapshots: [key, name] });
  await snapshots.prepare(key, snapshot);
  try {
    await keepRootTimes(store, snapshot, key);
    await snapshots.commit(name, key);
  } catch (error) {
    await snapshots.remove(key);
    if (!isKind(error, 'already-exists')) throw error;
  }
}

/** The root is the one folder that every snapshot has of its own. */
async function keepRootTimes({ snapshots }: UnpackStore, from: string, key: string): Promise<void> {
  const what = `cannot name snapshot ${from}`;
  const attr = await withSnapshot(snapshots, from, what, (tree) => {
    const root = new Attr();
    tree.getattr(ROOT_NODE, root);
    return root;
  });
  const change = {
    atime: { sec: attr.atimeSec, nsec: attr.atimeNsec },
    mtime: { sec: attr.mtimeSec, nsec: attr.mtimeNsec },
  };
  await withSnapshot(snapshots, key, what, (tree) =>
    tree.setattr(ROOT_NODE, change, SYSTEM_CALLER, new Attr()),
  );
}
