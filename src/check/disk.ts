// How much room a store takes, and whose it is. Sizes are those of the disk's blocks, as du(1) counts them, so that the
// parts add up to what du says of the root folder.

import { lstatSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fromText, sys } from '../../fs/index.js';
import { LocalContent } from '../content/local-content.js';
import { digestHex } from '../digest.js';
import { StoreError } from '../errors.js';
import { blobsOf, openImage } from '../images/stored.js';
import { blobRows, listBlobs } from '../metadata/blobs.js';
import { listImages } from '../metadata/images.js';
import { listNamespaces } from '../metadata/namespaces.js';
import type { ImageRow, SnapshotRow } from '../metadata/rows.js';
import { listSnapshots } from '../metadata/snapshots.js';
import { MountTable } from '../mounts/table.js';
import { measureTree } from '../mounts/usage.js';
import type { Store } from '../store.js';
import { leftoversIn } from './check-leftovers.js';
import { blobId, imageId, type Owners, ownersOf, SEVERAL, snapshotId } from './owners.js';

/** Bytes on disk. */
export interface Space {
  /** All that is needed to have it. */
  readonly logical: number;
  /** Of that, what others of its kind need, too. */
  readonly shared: number;
  /** The rest. */
  readonly unique: number;
  /** What comes free when it is removed and garbage is collected; of a namespace, when garbage is collected. */
  readonly reclaimable: number;
}

export interface NamedSpace extends Space {
  readonly namespace: string;
  readonly name: string;
}

/** The folders of the store, which add up to `total`. */
export interface StoreSpace {
  readonly snapshots: number;
  readonly blobs: number;
  readonly ingests: number;
  readonly chains: number;
  readonly metadata: number;
  /** What nothing names: `mica fsck --repair` removes it. */
  readonly orphans: number;
  /** The folders that hold these, and what else lies in them. */
  readonly other: number;
  readonly total: number;
}

export interface DiskUsage {
  readonly images: readonly NamedSpace[];
  readonly snapshots: readonly NamedSpace[];
  readonly namespaces: readonly Omit<NamedSpace, 'namespace'>[];
  readonly store: StoreSpace;
}

interface Namespace {
  readonly name: string;
  readonly images: readonly ImageRow[];
  readonly snapshots: readonly SnapshotRow[];
  readonly digests: readonly string[];
}

export async function diskUsage(store: Store, nowMs: number): Promise<DiskUsage> {
  const all = store.metadata.read((tx) =>
    listNamespaces(tx).map(({ name }) => ({
      name,
      images: listImages(tx, name),
      snapshots: listSnapshots(tx, name),
      digests: listBlobs(tx, name).map(({ digest }) => digest),
    })),
  );
  const sizes = new Sizes(store, all);
  const inUse = usedSnapshots(store, all);
  const owners = store.metadata.read((tx) => ownersOf(tx, nowMs, inUse));
  return {
    images: await imageSpaces(store, all, sizes, owners),
    snapshots: all.flatMap((namespace) => snapshotSpaces(namespace, sizes, inUse)),
    namespaces: all.map((namespace) => namespaceSpace(namespace, all, sizes, owners)),
    store: storeSpace(store, sizes),
  };
}

/** Of everything that has a name: bytes on disk, by id. A blob has one size, whoever names it. */
class Sizes {
  readonly #snapshots = new Map<string, number>();
  readonly #blobs = new Map<string, number>();
  /** The folders of the snapshots. */
  readonly ids: readonly string[];

  constructor({ folders }: Store, all: readonly Namespace[]) {
    this.ids = all.flatMap(({ snapshots }) => snapshots.map(({ id }) => id));
    for (const { name, snapshots, digests } of all) {
      for (const row of snapshots)
        this.#snapshots.set(snapshotId(name, row.name), sizeOf(join(folders.snapshots, row.id)));
      for (const digest of digests) {
        if (!this.#blobs.has(digest))
          this.#blobs.set(digest, sizeOf(join(folders.content, 'blobs/sha256', digestHex(digest))));
      }
    }
  }

  snapshot(namespace: string, name: string): number {
    return this.#snapshots.get(snapshotId(namespace, name)) ?? 0;
  }

  blob(digest: string): number {
    return this.#blobs.get(digest) ?? 0;
  }

  get snapshots(): number {
    return sum([...this.#snapshots.values()]);
  }

  get blobs(): number {
    return sum([...this.#blobs.values()]);
  }
}

/** What an image is made of: ids as `Owners` has them, with their sizes. */
type Parts = ReadonlyMap<string, number>;

async function imageSpaces(
  store: Store,
  all: readonly Namespace[],
  sizes: Sizes,
  owners: Owners,
): Promise<readonly NamedSpace[]> {
  const images: { readonly namespace: string; readonly name: string; readonly parts: Parts }[] = [];
  const users = new Map<string, number>();
  for (const namespace of all) {
    for (const row of namespace.images) {
      const parts = await partsOf(store, namespace, row, sizes);
      images.push({ namespace: namespace.name, name: row.name, parts });
      for (const id of parts.keys()) users.set(sharedId(id), (users.get(sharedId(id)) ?? 0) + 1);
    }
  }
  return images.map(({ namespace, name, parts }) => {
    const root = imageId(namespace, name);
    const logical = sum([...parts.values()]);
    const shared = sum(
      [...parts].flatMap(([id, size]) => ((users.get(sharedId(id)) ?? 0) > 1 ? [size] : [])),
    );
    const freed = [...parts].filter(([id]) => ownerOf(id, all, owners) === root);
    return {
      namespace,
      name,
      logical,
      shared,
      unique: logical - shared,
      reclaimable: sum(freed.map(([, size]) => size)),
    };
  });
}

/** Of an image that is damaged its target alone is known. */
async function partsOf(
  store: Store,
  { name, snapshots }: Namespace,
  row: ImageRow,
  sizes: Sizes,
): Promise<Parts> {
  const content = new LocalContent(store.folders.content, blobRows(store.metadata, name), name);
  const parts = new Map([[blobId(name, row.target.digest), sizes.blob(row.target.digest)]]);
  try {
    const image = await openImage({ content }, row, `cannot read image ${row.name}`);
    for (const digest of blobsOf(image)) parts.set(blobId(name, digest), sizes.blob(digest));
    for (const { chainId } of image.layers) {
      if (snapshots.some((one) => one.name === chainId))
        parts.set(snapshotId(name, chainId), sizes.snapshot(name, chainId));
    }
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
  }
  return parts;
}

/** A blob is the same in all namespaces. */
function sharedId(id: string): string {
  return id.startsWith('blob\0') ? blobId('', id.split('\0')[2] ?? '') : id;
}

/** Who keeps the bytes: of a blob, all who keep it in any namespace. */
function ownerOf(id: string, all: readonly Namespace[], owners: Owners): string | undefined {
  const [kind, , name = ''] = id.split('\0');
  if (kind !== 'blob') return owners.get(id);
  const found = new Set(all.flatMap((namespace) => owners.get(blobId(namespace.name, name)) ?? []));
  return found.size > 1 ? SEVERAL : [...found][0];
}

function snapshotSpaces(
  { name: namespace, snapshots }: Namespace,
  sizes: Sizes,
  inUse: ReadonlySet<string>,
): NamedSpace[] {
  const rows = new Map(snapshots.map((row) => [row.name, row]));
  const parents = new Set(snapshots.map(({ parent }) => parent));
  return snapshots.map(({ name, parent }) => {
    const unique = sizes.snapshot(namespace, name);
    let shared = 0;
    for (let below = parent; below !== undefined; below = rows.get(below)?.parent)
      shared += sizes.snapshot(namespace, below);
    const isFree = !parents.has(name) && !inUse.has(snapshotId(namespace, name));
    return { namespace, name, logical: unique + shared, shared, unique, reclaimable: isFree ? unique : 0 };
  });
}

function namespaceSpace(
  { name, snapshots, digests }: Namespace,
  all: readonly Namespace[],
  sizes: Sizes,
  owners: Owners,
): Omit<NamedSpace, 'namespace'> {
  const others = new Set(all.filter((one) => one.name !== name).flatMap((one) => one.digests));
  const own = sum(snapshots.map((row) => sizes.snapshot(name, row.name)));
  const blobs = sum(digests.map((digest) => sizes.blob(digest)));
  const shared = sum(digests.filter((digest) => others.has(digest)).map((digest) => sizes.blob(digest)));
  const dead = [
    ...snapshots
      .filter((row) => !owners.has(snapshotId(name, row.name)))
      .map((row) => sizes.snapshot(name, row.name)),
    ...digests
      .filter((digest) => ownerOf(blobId(name, digest), all, owners) === undefined)
      .map((one) => sizes.blob(one)),
  ];
  return { name, logical: own + blobs, shared, unique: own + blobs - shared, reclaimable: sum(dead) };
}

function storeSpace(store: Store, sizes: Sizes): StoreSpace {
  const { root, content, snapshots, chains, metadata } = store.folders;
  const total = sizeOf(root);
  const ingest = join(content, 'ingest');
  const leftovers = leftoversIn(store).filter(
    ({ path }) => !path.startsWith(`${chains}/`) && !path.startsWith(`${ingest}/`),
  );
  const parts = {
    snapshots: sizes.snapshots,
    blobs: sizes.blobs,
    ingests: sum(namesIn(ingest).map((name) => sizeOf(join(ingest, name)))),
    chains: sum(namesIn(chains).map((name) => sizeOf(join(chains, name)))),
    metadata: sizeOf(metadata),
    orphans: sum(leftovers.map(({ path }) => sizeOf(path))),
  };
  const accounted = new Set([...sizes.ids, ...leftovers.map(({ path }) => basename(path))]);
  // What `fsck` put aside, and what is just becoming a snapshot.
  const rest = namesIn(snapshots).filter((name) => !accounted.has(name));
  const old = namesIn(root).filter((name) => name.startsWith('metadata.'));
  const folders = [
    root,
    content,
    join(content, 'blobs'),
    join(content, 'blobs/sha256'),
    ingest,
    snapshots,
    chains,
  ];
  const other =
    sum(folders.map(ownSize)) +
    sum(rest.map((name) => sizeOf(join(snapshots, name)))) +
    sum(old.map((name) => sizeOf(join(root, name))));
  return { ...parts, other, total };
}

/** By ids of snapshots: those that are mounted. */
function usedSnapshots(store: Store, all: readonly Namespace[]): ReadonlySet<string> {
  const mounted = new Set(
    new MountTable(store.state)
      .list()
      .flatMap(({ snapshot }) => (snapshot?.store === store.folders.snapshots ? [snapshot.id] : [])),
  );
  return new Set(
    all.flatMap(({ name, snapshots }) =>
      snapshots.filter(({ id }) => mounted.has(id)).map((row) => snapshotId(name, row.name)),
    ),
  );
}

/** A file or a whole tree; 0 for what is gone. */
function sizeOf(path: string): number {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return 0;
  if (!found.isDirectory()) return found.blocks * 512;
  const fd = sys.openAt(sys.AT_FDCWD, fromText(path), sys.O_RDONLY | sys.O_DIRECTORY);
  try {
    return measureTree(fd).size;
  } finally {
    sys.closeFd(fd);
  }
}

function ownSize(path: string): number {
  return (lstatSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
}

function namesIn(folder: string): readonly string[] {
  return lstatSync(folder, { throwIfNoEntry: false }) === undefined ? [] : readdirSync(folder);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}
