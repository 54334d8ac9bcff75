// Pull: an image of a registry becomes blobs, snapshots and a name, verified, names last. Layers are fetched several
// at a time and unpacked while they come. A pull that fails or is called off leaves the store's names as they were;
// the bytes that it has fetched stay for the next try, whole blobs and the beginnings of others.

import type { Content } from '../content/content.js';
import type { Digest } from '../digest.js';
import { isKind, StoreError } from '../errors.js';
import { atWork, type WorkLease } from '../images/at-work.js';
import type { OnProgress, UnpackStore } from '../images/images.js';
import { nameImage } from '../images/import.js';
import { Ingest } from '../images/ingest.js';
import { addLabels, contentLabels, labelUnpacked } from '../images/labels.js';
import { isIndexType, isManifestType } from '../images/media-types.js';
import { JSON_LIMIT } from '../images/oci.js';
import { type BlobLookup, type Part, type SelectedImage, selectImage } from '../images/select.js';
import { assertWhole, neededBlobs } from '../images/stored.js';
import { UnpackRun } from '../images/unpack.js';
import type { Labels } from '../labels.js';
import type { Descriptor, ImageRow, Platform } from '../metadata/rows.js';
import { Downloads } from './downloads.js';
import { parseRemote, type RemoteReference, tagOrDigest } from './reference.js';
import { Registry, type RegistryOptions } from './registry.js';
import { Repository } from './repository.js';
import { noteSource, sourceLabels } from './source-labels.js';
import { wholeIndex } from './whole-index.js';

export interface PullOptions extends RegistryOptions {
  /** Which image of an index; default: this machine's. */
  readonly platform?: Platform;
  /** All images of an index are fetched; the one of `platform` is unpacked. */
  readonly allPlatforms?: boolean;
  /** Default true: layers are unpacked to snapshots. */
  readonly unpack?: boolean;
  /** Blobs at a time; default 4. */
  readonly parallel?: number;
  readonly onProgress?: OnProgress;
}

export interface PulledImage {
  readonly row: ImageRow;
  readonly image: SelectedImage;
}

const PARALLEL = 4;

/**
 * Brings in the image that `reference` names. invalid-argument for a bad name, not-found if the registry has none
 * or none for the platform, unsupported for kinds of manifests that are no images, corrupt if bytes are not what
 * their digests say, failed if the registry refuses or cannot be reached, canceled by the signal.
 */
export async function pullImage(
  store: UnpackStore,
  reference: string,
  options: PullOptions = {},
): Promise<PulledImage> {
  const what = `cannot pull ${reference}`;
  const remote = parseRemote(reference, what);
  const stopping = new AbortController();
  const signal =
    options.signal === undefined ? stopping.signal : AbortSignal.any([stopping.signal, options.signal]);
  const registry = await Registry.open(remote.host, what, { ...options, signal });
  try {
    const from = new Repository(registry, remote.repository, what);
    const isOurs = (): boolean => options.signal?.aborted !== true;
    const pulling = { ...options, signal, stop: () => stopping.abort(), isOurs };
    return await atWork(store.leases, (lease) => pullFrom(store, from, remote, lease, pulling));
  } catch (error) {
    throw isKind(error, 'canceled') ? resumable(error) : error;
  } finally {
    registry.close();
  }
}

type Pulling = PullOptions & {
  readonly signal: AbortSignal;
  /** Aborts the signal. */
  readonly stop: () => void;
  /** Nobody else has aborted it. */
  readonly isOurs: () => boolean;
};

async function pullFrom(
  store: UnpackStore,
  from: Repository,
  remote: RemoteReference,
  lease: WorkLease,
  options: Pulling,
): Promise<PulledImage> {
  const { what } = from;
  const { content } = store;
  const lookup = new RemoteLookup(content, from);
  const target = await lookup.target(tagOrDigest(remote));
  const image = await selectImage(lookup, [target], what, options.platform);
  const whole = options.allPlatforms === true ? await wholeIndex(lookup, target, what) : undefined;
  const made: Making = {
    image,
    blobs: [...image.layers.map((layer) => layer.descriptor), ...(whole?.blobs ?? [])],
    parts: [image.config, ...(whole?.parts ?? [image.manifest, ...image.indexes])],
    labels: whole?.labels ?? contentLabels(image),
  };
  const unpack = new UnpackRun(store, lease, options);
  await lease.hold({ blobs: digestsOf(made) });
  if (options.unpack !== false) await unpack.hold(image);
  const { signal, stop, onProgress, parallel = PARALLEL } = options;
  const labels = sourceLabels(remote.host, remote.repository);
  const downloads = new Downloads(content, from, made.blobs, { signal, stop, onProgress, parallel, labels });
  const parts = new Ingest(content, what, options);
  try {
    const unpacking = (): Promise<void> =>
      options.unpack === false
        ? Promise.resolve()
        : unpack.image(image, what, {
            read: (layer) => downloads.follow(layer.descriptor.digest),
            skip: () => Promise.resolve(),
          });
    await allOf([() => downloads.run(), unpacking], options);
    for (const { descriptor, bytes } of made.parts) {
      await parts.put(descriptor, bytes, { ...labels, ...made.labels.get(descriptor.digest) });
    }
    await assertWhole(store, image, what);
    await labelAll(content, made, remote);
    if (options.unpack !== false) await labelUnpacked(content, image);
    const row = await nameImage(store, remote.name, target);
    onProgress?.({ phase: 'image', id: row.name, done: 1, total: 1 });
    return { row, image };
  } catch (error) {
    await unpack.undo();
    const needed = await neededBlobs(store);
    await parts.undo(needed, lease);
    await downloads.undo(needed, lease);
    throw error;
  } finally {
    await downloads.close();
  }
}

/** An image on its way, or all of an index with one image of it. */
interface Making {
  readonly image: SelectedImage;
  readonly blobs: readonly Descriptor[];
  /** Config, manifests and indexes, which are in memory. */
  readonly parts: readonly Part[];
  readonly labels: ReadonlyMap<Digest, Labels>;
}

function digestsOf({ blobs, parts }: Making): readonly Digest[] {
  return [...new Set([...blobs, ...parts.map((part) => part.descriptor)].map(({ digest }) => digest))];
}

/** What was there before has its labels from elsewhere. */
async function labelAll(
  content: Content,
  made: Making,
  { host, repository }: RemoteReference,
): Promise<void> {
  for (const [digest, labels] of made.labels) await addLabels(content, digest, labels);
  for (const digest of digestsOf(made)) await noteSource(content, digest, host, repository);
}

/**
 * Runs all to their ends; the first that fails stops the others, and its error is thrown: one that was stopped may end
 * before the one that is the cause.
 */
async function allOf(
  work: readonly (() => Promise<void>)[],
  { stop, isOurs }: Pick<Pulling, 'stop' | 'isOurs'>,
): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  await Promise.all(
    work.map(async (one) => {
      try {
        await one();
      } catch (error) {
        const isCause = isOurs() && !isKind(error, 'canceled');
        if (failure === undefined || (isCause && isKind(failure.error, 'canceled'))) failure = { error };
        stop();
      }
    }),
  );
  if (failure !== undefined) throw failure.error;
}

function resumable(error: StoreError): StoreError {
  return new StoreError('canceled', error.what, error.why, {
    cause: error,
    hint: 'the same command goes on where this one stopped',
  });
}

/** Manifests and configs: from the store if they are there, else from the registry, each once. */
class RemoteLookup implements BlobLookup {
  readonly #content: Content;
  readonly #from: Repository;
  readonly #known = new Map<Digest, Uint8Array>();

  constructor(content: Content, from: Repository) {
    this.#content = content;
    this.#from = from;
  }

  /** What a tag or digest stands for. */
  async target(reference: string): Promise<Descriptor> {
    const resolved = await this.#from.resolve(reference);
    if (!('bytes' in resolved)) return resolved;
    this.#known.set(resolved.descriptor.digest, resolved.bytes);
    return resolved.descriptor;
  }

  has(): Promise<boolean> {
    return Promise.resolve(true);
  }

  async read(descriptor: Descriptor): Promise<Uint8Array> {
    const { digest, mediaType } = descriptor;
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    const stored = await this.#stored(digest);
    if (stored !== undefined) return stored;
    const bytes =
      isIndexType(mediaType) || isManifestType(mediaType)
        ? (await this.#from.manifest(digest)).bytes
        : await this.#from.smallBlob(descriptor);
    this.#known.set(digest, bytes);
    return bytes;
  }

  /** One that is removed in this moment is fetched. */
  async #stored(digest: Digest): Promise<Uint8Array | undefined> {
    try {
      return await this.#content.read(digest, JSON_LIMIT);
    } catch (error) {
      if (isKind(error, 'not-found')) return undefined;
      throw error;
    }
  }
}
