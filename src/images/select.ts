// From a descriptor to the one image that is meant: through indexes, also nested ones, to a manifest for a
// platform, its config and its layers. The same walk serves archives and the store; every JSON object on the way
// is verified against its descriptor before it is believed.

import { chainId, type Digest, digestOf } from '../digest.js';
import { StoreError } from '../errors.js';
import type { Descriptor, Platform } from '../metadata/rows.js';
import { isConfigType, isIndexType, isLayerType, isManifestType, unknownMediaType } from './media-types.js';
import {
  type ImageConfig,
  type Index,
  type Manifest,
  pairLayers,
  parseConfig,
  parseIndex,
  parseManifest,
} from './oci.js';
import { formatPlatform, hostPlatform, matchesPlatform } from './platform.js';

/** Where the walk reads: an archive or the content store. */
export interface BlobLookup {
  has(digest: Digest): Promise<boolean>;
  /** At most JSON_LIMIT bytes. */
  read(descriptor: Descriptor): Promise<Uint8Array>;
}

export interface Layer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  readonly chainId: Digest;
}

/** A JSON object of the image, verified, as its exact bytes. */
export interface Part {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

export interface IndexPart extends Part {
  readonly index: Index;
}

export interface SelectedImage {
  /** The indexes passed through, outermost first; none if the target is a manifest. */
  readonly indexes: readonly IndexPart[];
  readonly manifest: Part & { readonly json: Manifest };
  readonly config: Part & { readonly json: ImageConfig };
  readonly platform: Platform;
  /** Base first. */
  readonly layers: readonly Layer[];
}

/** Deeper nesting than any tool writes. */
const DEPTH_MAX = 8;

interface Candidate {
  readonly indexes: readonly IndexPart[];
  readonly descriptor: Descriptor;
}

/**
 * The image that `targets` (one, or several that differ in platform) mean for `wanted`: the one of that platform;
 * without it the host's, else the only one. not-found if there is none for the platform, invalid-argument if the
 * choice is open, unsupported for media types that are no images, corrupt for damaged parts. `what` begins errors.
 */
export async function selectImage(
  blobs: BlobLookup,
  targets: readonly Descriptor[],
  what: string,
  wanted?: Platform,
): Promise<SelectedImage> {
  const candidates: Candidate[] = [];
  for (const target of targets)
    await gatherCandidates(blobs, { indexes: [], descriptor: target }, what, candidates);
  const images = candidates.filter(({ descriptor }) => isImage(descriptor));
  const other = candidates.find(({ descriptor }) => !isManifestType(descriptor.mediaType));
  if (images.length === 0 && other !== undefined) {
    throw unknownMediaType(what, `object ${other.descriptor.digest}`, other.descriptor.mediaType);
  }
  if (images.length === 0) throw new StoreError('not-found', what, 'it holds no image');
  const only = images.length === 1 ? images[0] : undefined;
  if (only !== undefined) {
    const image = await load(blobs, only, what);
    if (wanted === undefined || matchesPlatform(image.platform, wanted)) return image;
    throw noSuchPlatform(what, wanted, [image.platform]);
  }
  return choose(blobs, images, what, wanted);
}

async function choose(
  blobs: BlobLookup,
  images: readonly Candidate[],
  what: string,
  wanted: Platform | undefined,
): Promise<SelectedImage> {
  const known: { image: Candidate; platform: Platform | undefined; present: boolean }[] = [];
  for (const image of images) {
    const present = await blobs.has(image.descriptor.digest);
    known.push({ image, present, platform: await platformOf(blobs, image, what) });
  }
  // An index often names platforms that are not here: an import takes only one of them.
  const present = known.filter((one) => one.present);
  const eligible = wanted === undefined && present.length > 0 ? present : known;
  const platform = wanted ?? hostPlatform();
  const match = eligible.find((one) => one.platform !== undefined && matchesPlatform(one.platform, platform));
  if (match !== undefined) return load(blobs, match.image, what);
  const platforms = known.flatMap((one) => one.platform ?? []);
  if (wanted !== undefined) throw noSuchPlatform(what, wanted, platforms);
  if (eligible.length === 1 && eligible[0] !== undefined) return load(blobs, eligible[0].image, what);
  throw new StoreError(
    'invalid-argument',
    what,
    `it has several platforms (${platforms.map(formatPlatform).join(', ')}), none of this machine`,
    { hint: 'choose one with --platform' },
  );
}

function noSuchPlatform(what: string, wanted: Platform, has: readonly Platform[]): StoreError {
  const list = has.map(formatPlatform).join(', ');
  return new StoreError('not-found', what, `no image for ${formatPlatform(wanted)}, only for ${list}`);
}

async function gatherCandidates(
  blobs: BlobLookup,
  at: Candidate,
  what: string,
  into: Candidate[],
): Promise<void> {
  const { descriptor, indexes } = at;
  if (!isIndexType(descriptor.mediaType)) {
    into.push(at);
    return;
  }
  if (indexes.length >= DEPTH_MAX) {
    throw new StoreError('corrupt', what, `indexes are nested more than ${DEPTH_MAX} deep`);
  }
  // Of a nested index for a platform that was not imported there is only the descriptor.
  if (indexes.length > 0 && !(await blobs.has(descriptor.digest))) return;
  const bytes = await readPart(blobs, descriptor, 'index', what);
  const index = await parseIndex(bytes, `index ${descriptor.digest}`);
  assertType(index.mediaType, descriptor, what);
  const path = [...indexes, { descriptor, bytes, index }];
  for (const child of index.manifests) {
    await gatherCandidates(blobs, { indexes: path, descriptor: child }, what, into);
  }
}

/** Build attestations and signatures travel in indexes as manifests of an unknown platform. */
function isImage(descriptor: Descriptor): boolean {
  return isManifestType(descriptor.mediaType) && descriptor.platform?.os !== 'unknown';
}

async function platformOf(blobs: BlobLookup, image: Candidate, what: string): Promise<Platform | undefined> {
  if (image.descriptor.platform !== undefined) return image.descriptor.platform;
  if (!(await blobs.has(image.descriptor.digest))) return undefined;
  return (await load(blobs, image, what)).platform;
}

async function load(
  blobs: BlobLookup,
  { indexes, descriptor }: Candidate,
  what: string,
): Promise<SelectedImage> {
  const bytes = await readPart(blobs, descriptor, 'manifest', what);
  const json = await parseManifest(bytes, `manifest ${descriptor.digest}`);
  assertType(json.mediaType, descriptor, what);
  if (!isConfigType(json.config.mediaType)) {
    throw unknownMediaType(what, `config of manifest ${descriptor.digest}`, json.config.mediaType);
  }
  for (const layer of json.layers) {
    if (!isLayerType(layer.mediaType)) throw unknownMediaType(what, `layer ${layer.digest}`, layer.mediaType);
  }
  const configBytes = await readPart(blobs, json.config, 'config', what);
  const config = await parseConfig(configBytes, `config ${json.config.digest}`);
  let parent: Digest | undefined;
  const layers = pairLayers(json, config, descriptor.digest).map((layer) => {
    parent = chainId(parent, layer.diffId);
    return { ...layer, chainId: parent };
  });
  const { os, architecture, variant } = config;
  return {
    indexes,
    manifest: { descriptor, bytes, json },
    config: { descriptor: json.config, bytes: configBytes, json: config },
    platform: { os, architecture, ...(variant === undefined ? {} : { variant }) },
    layers,
  };
}

async function readPart(
  blobs: BlobLookup,
  descriptor: Descriptor,
  part: string,
  what: string,
): Promise<Uint8Array> {
  const { digest, size } = descriptor;
  if (!(await blobs.has(digest))) throw new StoreError('corrupt', what, `${part} ${digest} is missing`);
  const bytes = await blobs.read(descriptor);
  if (bytes.length !== size) {
    throw new StoreError('corrupt', what, `${part} ${digest} has ${bytes.length} bytes instead of ${size}`);
  }
  const actual = digestOf(bytes);
  if (actual !== digest) throw new StoreError('corrupt', what, `${part} ${digest} has the digest ${actual}`);
  return bytes;
}

/** Bytes that can be read as two kinds of object would mean different things to different readers (CVE-2021-41190). */
function assertType(inside: string | undefined, { digest, mediaType }: Descriptor, what: string): void {
  if (inside !== undefined && inside !== mediaType) {
    throw new StoreError('corrupt', what, `${digest} says it is ${inside}, its descriptor says ${mediaType}`);
  }
}
