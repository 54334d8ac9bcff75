// Import: from an archive or layout to blobs, snapshots and names. Everything is verified before it counts, names
// come last, and an import that fails or is called off takes out again what it had added; only a partial blob of
// one that was called off stays, to be gone on with.

import type { Digest } from '../digest.js';
import { StoreError } from '../errors.js';
import type { Descriptor, ImageRow, Platform } from '../metadata/rows.js';
import { timeNow } from '../time.js';
import { atWork, type WorkLease } from './at-work.js';
import type { OnProgress, UnpackStore } from './images.js';
import { Ingest } from './ingest.js';
import { contentLabels, labelContents, labelUnpacked } from './labels.js';
import { gather } from './member-bytes.js';
import type { OpenOptions } from './members.js';
import { JSON_LIMIT } from './oci.js';
import { assertImageName } from './reference.js';
import { type BlobLookup, type SelectedImage, selectImage } from './select.js';
import { type ImageSource, openImageSource, type SourceBlob, type SourceEntry } from './source.js';
import { assertWhole, blobsOf, neededBlobs } from './stored.js';
import { type LayerSource, UnpackRun } from './unpack.js';

export interface ImportOptions extends OpenOptions {
  /** The name of the image; without it the names that the source gives. */
  readonly name?: string;
  readonly platform?: Platform;
  /** Default true: layers are unpacked to snapshots. */
  readonly unpack?: boolean;
  readonly onProgress?: OnProgress;
}

export interface ImportedImage {
  readonly row: ImageRow;
  readonly image: SelectedImage;
}

/**
 * Imports every image that `source` (a layout folder, an archive, `-`) names, and returns them. not-found for a
 * missing file, invalid-argument if it is no image archive or has no name, corrupt for damaged data, unsupported
 * for unknown media types, canceled by the signal; the store is then as it was before.
 */
export async function importImage(
  store: UnpackStore,
  source: string,
  options: ImportOptions = {},
): Promise<readonly ImportedImage[]> {
  const what = `cannot import ${source === '-' ? 'the standard input' : source}`;
  if (options.name !== undefined) assertImageName(options.name);
  const from = await openImageSource(source, what, options);
  try {
    return await atWork(store.leases, (lease) => importFrom(store, from, what, lease, options));
  } finally {
    await from.close();
  }
}

async function importFrom(
  store: UnpackStore,
  from: ImageSource,
  what: string,
  lease: WorkLease,
  options: ImportOptions,
): Promise<readonly ImportedImage[]> {
  const ingest = new Ingest(store.content, what, options);
  const unpack = new UnpackRun(store, lease, options);
  try {
    const imported: { names: readonly string[]; target: Descriptor; image: SelectedImage }[] = [];
    for (const { names, targets } of groupsOf(from.entries, options.name, what)) {
      const image = await selectImage(lookupIn(from), targets, what, options.platform);
      if (options.unpack === false) await lease.hold({ blobs: blobsOf(image) });
      else await unpack.hold(image);
      const layers =
        options.unpack === false
          ? takeLayers(from, ingest, image)
          : layersOf(from, ingest, image).then((source) => unpack.image(image, what, source));
      await bothOf(layers, takeParts(ingest, image));
      const target = image.indexes[0]?.descriptor ?? image.manifest.descriptor;
      imported.push({ names, target, image });
    }
    await ingest.finish();
    const result: ImportedImage[] = [];
    for (const { names, target, image } of imported) {
      await assertWhole(store, image, what);
      await labelContents(store.content, image);
      if (options.unpack !== false) await labelUnpacked(store.content, image);
      for (const name of names) {
        const row = await nameImage(store, name, target);
        options.onProgress?.({ phase: 'image', id: name, done: 1, total: 1 });
        result.push({ row, image });
      }
    }
    return result;
  } catch (error) {
    await unpack.undo();
    await ingest.undo(await neededBlobs(store), lease);
    throw error;
  }
}

/** Makes the row of an image, or points an old one to `target`. */
export async function nameImage(
  store: Pick<UnpackStore, 'images'>,
  name: string,
  target: Descriptor,
): Promise<ImageRow> {
  const old = store.images.get(name);
  const now = timeNow();
  const { mediaType, digest, size } = target;
  const row: ImageRow = {
    name,
    target: { mediaType, digest, size },
    created: old?.created ?? now,
    updated: now,
    labels: old?.labels ?? {},
  };
  await store.images.put(row);
  return row;
}

interface Group {
  readonly names: readonly string[];
  readonly targets: readonly Descriptor[];
}

/**
 * The images of a source: entries with the same name differ in platform, names of the same target are one image.
 * Entries without a name count only where nothing has one, because builders leave old ones behind.
 */
function groupsOf(entries: readonly SourceEntry[], name: string | undefined, what: string): readonly Group[] {
  const byName = new Map<string | undefined, Map<Digest, Descriptor>>();
  for (const entry of entries) {
    const targets = byName.get(entry.name) ?? new Map<Digest, Descriptor>();
    byName.set(entry.name, targets.set(entry.descriptor.digest, entry.descriptor));
  }
  if (byName.size > 1) byName.delete(undefined);
  const groups = new Map<string, { names: string[]; targets: Descriptor[] }>();
  for (const [given, targets] of byName) {
    const key = [...targets.keys()].sort().join(' ');
    const group = groups.get(key) ?? { names: [], targets: [...targets.values()] };
    if (given !== undefined) group.names.push(given);
    groups.set(key, group);
  }
  const found = [...groups.values()];
  if (found.length === 0) throw new StoreError('invalid-argument', what, 'it holds no image');
  if (name !== undefined) return [{ names: [name], targets: onlyGroup(found, what).targets }];
  for (const group of found) {
    if (group.names.length === 0) {
      throw new StoreError('invalid-argument', what, 'the image has no name', {
        hint: 'give one with --name REF',
      });
    }
    group.names.forEach(assertImageName);
  }
  return found;
}

function onlyGroup(groups: readonly Group[], what: string): Group {
  const [first] = groups;
  if (first !== undefined && groups.length === 1) return first;
  const names = groups.map((group) => group.names[0] ?? '?').join(', ');
  throw new StoreError(
    'invalid-argument',
    what,
    `it holds ${groups.length} images (${names}), which cannot all have one name`,
    { hint: 'import it without --name' },
  );
}

/** Waits for both to end, so that nothing goes on when one has failed. */
async function bothOf(...work: readonly [Promise<void>, Promise<void>]): Promise<void> {
  for (const end of await Promise.allSettled(work)) if (end.status === 'rejected') throw end.reason;
}

/** What is not a layer. */
async function takeParts(ingest: Ingest, image: SelectedImage): Promise<void> {
  const labels = contentLabels(image);
  for (const { descriptor, bytes } of [image.config, image.manifest, ...image.indexes]) {
    await ingest.put(descriptor, bytes, labels.get(descriptor.digest));
  }
}

async function takeLayers(from: ImageSource, ingest: Ingest, image: SelectedImage): Promise<void> {
  for (const { descriptor } of image.layers) {
    await ingest.copy(descriptor, await from.blob(descriptor.digest), 'layer');
  }
}

/** The layers as they come, which are stored while they are read. corrupt if one is not there. */
async function layersOf(from: ImageSource, ingest: Ingest, image: SelectedImage): Promise<LayerSource> {
  const blobs = new Map<Digest, SourceBlob | undefined>();
  for (const { descriptor } of image.layers) {
    const blob = await from.blob(descriptor.digest);
    await ingest.check(descriptor, blob, 'layer');
    blobs.set(descriptor.digest, blob);
  }
  return {
    read: ({ descriptor }) => ingest.pass(descriptor, blobs.get(descriptor.digest), 'layer'),
    skip: ({ descriptor }) => ingest.copy(descriptor, blobs.get(descriptor.digest), 'layer'),
  };
}

function lookupIn(source: ImageSource): BlobLookup {
  return {
    has: async (digest) => (await source.blob(digest)) !== undefined,
    async read({ digest }) {
      const blob = await source.blob(digest);
      if (blob === undefined) throw new StoreError('corrupt', `cannot read ${digest}`, 'it is missing');
      return gather(blob.stream(0), JSON_LIMIT, `cannot read ${digest}`);
    },
  };
}
