// Push: an image of the store to a registry. Blobs go first, then manifests, then the index, and the tag last, so that
// whoever finds a name there finds all of it. What the registry has is not sent.

import type { Content } from '../content/content.js';
import type { Digest } from '../digest.js';
import { StoreError } from '../errors.js';
import { atWork } from '../images/at-work.js';
import type { ImageStore, OnProgress, UnpackStore } from '../images/images.js';
import { isForeignLayerType } from '../images/media-types.js';
import type { Part } from '../images/select.js';
import { assertWhole, lookupIn, openImage } from '../images/stored.js';
import type { Descriptor, ImageRow, Platform } from '../metadata/rows.js';
import { parseRemote, type RemoteReference } from './reference.js';
import { Registry, type RegistryOptions } from './registry.js';
import { Repository } from './repository.js';
import { noteSource, sourcesIn } from './source-labels.js';
import { type Uploaded, uploadBlob } from './upload.js';
import { wholeIndex } from './whole-index.js';

export interface PushOptions extends RegistryOptions {
  /** Only the image of this platform; default: the whole index if all of it is here, else what is. */
  readonly platform?: Platform;
  /** The most bytes that are sent in one request; default: a whole blob. */
  readonly chunkSize?: number;
  /** Blobs at a time; default 4. */
  readonly parallel?: number;
  readonly onProgress?: OnProgress;
  /** Told what became of each blob. */
  readonly onBlob?: (blob: Descriptor, how: Uploaded) => void;
}

export interface PushedImage {
  /** Whole: `localhost:5000/team/app:1` */
  readonly reference: string;
  /** What the reference stands for from now on. */
  readonly target: Descriptor;
}

const PARALLEL = 4;

/**
 * Sends the image of `row` to where `reference` says. invalid-argument for a bad name or a digest that is not the
 * image's, corrupt if a part of it is missing or damaged, failed if the registry refuses or cannot be reached,
 * canceled by the signal.
 */
export async function pushImage(
  store: Pick<UnpackStore, 'content' | 'leases'>,
  row: ImageRow,
  reference: string,
  options: PushOptions = {},
): Promise<PushedImage> {
  const what = `cannot push ${row.name}${row.name === reference ? '' : ` to ${reference}`}`;
  const remote = parseRemote(reference, what);
  const { target, parts, blobs } = await partsOf(store, row, what, options.platform);
  if (remote.digest !== undefined && remote.digest !== target.digest) {
    throw new StoreError('invalid-argument', what, `the image has the digest ${target.digest}`);
  }
  const stopping = new AbortController();
  const signal =
    options.signal === undefined ? stopping.signal : AbortSignal.any([stopping.signal, options.signal]);
  const registry = await Registry.open(remote.host, what, { ...options, signal });
  try {
    const to = new Repository(registry, remote.repository, what, 'pull,push');
    const all = [...blobs, ...parts.map((part) => part.descriptor)].map(({ digest }) => digest);
    await atWork(store.leases, async (lease) => {
      await lease.hold({ blobs: all });
      await uploadAll(store.content, to, blobs, remote, options, () => stopping.abort());
      for (const part of parts) {
        await putManifest(to, part, part.descriptor.digest === target.digest ? remote : undefined);
      }
      for (const digest of all) await noteSource(store.content, digest, remote.host, remote.repository);
    });
    options.onProgress?.({ phase: 'image', id: remote.name, done: 1, total: 1 });
    return { reference: remote.name, target };
  } finally {
    registry.close();
  }
}

interface Parts {
  readonly target: Descriptor;
  /** Each after what it refers to; the target is the last. */
  readonly parts: readonly Part[];
  readonly blobs: readonly Descriptor[];
}

async function partsOf(
  store: Pick<ImageStore, 'content'>,
  row: ImageRow,
  what: string,
  platform: Platform | undefined,
): Promise<Parts> {
  const whole = platform === undefined ? await wholeIndex(lookupIn(store), row.target, what) : undefined;
  if (whole !== undefined) {
    const blobs = whole.blobs.filter(isSent);
    if (await hasAll(store.content, blobs)) return { target: row.target, parts: whole.parts, blobs };
  }
  const image = await openImage(store, row, what, platform);
  const { manifest, config, layers } = image;
  const blobs = [config.descriptor, ...layers.map((layer) => layer.descriptor)].filter(isSent);
  if (!(await hasAll(store.content, blobs))) await assertWhole(store, image, what);
  return { target: manifest.descriptor, parts: [manifest], blobs };
}

/** What lies elsewhere stays there: registries need not take it, and its licence may forbid it. */
function isSent({ mediaType, urls = [] }: Descriptor): boolean {
  return !(isForeignLayerType(mediaType) && urls.length > 0);
}

async function hasAll(content: Content, blobs: readonly Descriptor[]): Promise<boolean> {
  for (const { digest } of blobs) if (!(await content.has(digest))) return false;
  return true;
}

/** The first failure stops the rest and is thrown. */
async function uploadAll(
  content: Content,
  to: Repository,
  blobs: readonly Descriptor[],
  remote: RemoteReference,
  options: PushOptions,
  stop: () => void,
): Promise<void> {
  const queue = [...blobs];
  let failure: { readonly error: unknown } | undefined;
  const work = async (): Promise<void> => {
    for (let blob = queue.shift(); blob !== undefined; blob = queue.shift()) {
      try {
        const { labels } = await content.info(blob.digest);
        const sources = sourcesIn(labels, remote.host);
        const { chunkSize, onProgress } = options;
        const how = await uploadBlob(to, blob, { content, sources, chunkSize, onProgress });
        options.onBlob?.(blob, how);
        const { digest, size } = blob;
        onProgress?.({ phase: how === 'sent' ? 'push' : 'skip', id: digest, done: size, total: size });
      } catch (error) {
        failure ??= { error };
        queue.length = 0;
        stop();
      }
    }
  };
  await Promise.all(Array.from({ length: options.parallel ?? PARALLEL }, work));
  if (failure !== undefined) throw failure.error;
}

async function putManifest(
  to: Repository,
  { descriptor, bytes }: Part,
  remote: RemoteReference | undefined,
): Promise<void> {
  const { mediaType, digest } = descriptor;
  const under = remote?.tag ?? digest;
  const response = await to.registry.ask({
    ...to.access,
    method: 'PUT',
    path: `${to.name}/manifests/${under}`,
    headers: { 'Content-Type': mediaType },
    body: bodyOf(bytes),
    expect: [200, 201, 202],
    what: to.what,
  });
  response.drop();
  const stored: Digest | string | string[] | undefined = response.headers['docker-content-digest'];
  if (typeof stored === 'string' && stored.startsWith('sha256:') && stored !== digest) {
    throw new StoreError('failed', to.what, `the registry stored manifest ${digest} as ${stored}`);
  }
}

function bodyOf(bytes: Uint8Array) {
  return {
    length: bytes.length,
    async *stream() {
      yield bytes;
    },
  };
}
