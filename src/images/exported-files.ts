// The files of an exported image: the layout's small files first, so that a reader of a stream knows what comes,
// then the blobs in the order of their digests.

import type { ArchiveFile, ArchiveMember } from '../archive/pack.js';
import type { Content } from '../content/content.js';
import type { Compression } from '../diff/compression.js';
import { type Digest, digestHex } from '../digest.js';
import { StoreError } from '../errors.js';
import type { Descriptor, ImageRow, Platform } from '../metadata/rows.js';
import type { OnProgress } from './images.js';
import { NAME_ANNOTATION, REF_NAME_ANNOTATION } from './layout.js';
import { isIndexType, isManifestType, OCI_INDEX } from './media-types.js';
import { encodeJson, JSON_LIMIT, parseIndex, parseManifest } from './oci.js';
import { type Recompressed, recompressed } from './recompress.js';
import { fullName, splitReference } from './reference.js';
import type { SelectedImage } from './select.js';
import { openImage } from './stored.js';

export interface ExportedOptions {
  readonly format?: 'oci' | 'docker';
  readonly platform?: Platform;
  /** Of the layers; default: as they are stored. Then the image of one platform goes out, under another digest. */
  readonly compression?: Compression;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

/** What an archive of an image holds. */
export interface Exported {
  /** What its index points to. */
  readonly target: Descriptor;
  readonly members: readonly ArchiveMember[];
}

/** corrupt if a blob is missing; `what` begins the error. */
export async function exportedFiles(
  content: Content,
  row: ImageRow,
  options: ExportedOptions,
  what: string,
): Promise<Exported> {
  const { format = 'oci', platform, compression } = options;
  const image = await openImage({ content }, row, what, platform);
  const isWhole = platform === undefined && compression === undefined;
  const whole = isWhole ? await allBlobs(content, row.target) : undefined;
  const target = whole === undefined ? image.manifest.descriptor : row.target;
  const blobs = whole ?? (await allBlobs(content, target));
  if (blobs === undefined) throw await missing(content, image, what);
  if (compression === undefined) {
    return { target, members: archived(content, row.name, format, target, image, blobs, new Map()) };
  }
  const { manifest, layers, made } = await recompressed(content, image, compression, what, options);
  const parts = [manifest, image.config.descriptor, ...layers.map((layer) => layer.descriptor)];
  const sizes = new Map(parts.map(({ digest, size }) => [digest, size]));
  const other = { ...image, layers };
  return { target: manifest, members: archived(content, row.name, format, manifest, other, sizes, made) };
}

type ShownImage = Pick<SelectedImage, 'config' | 'layers' | 'platform'>;

/** `blobs`: with their sizes; those in `made` are not in the store. */
function archived(
  content: Content,
  name: string,
  format: 'oci' | 'docker',
  target: Descriptor,
  image: ShownImage,
  blobs: ReadonlyMap<Digest, number>,
  made: Recompressed['made'],
): readonly ArchiveMember[] {
  const files: ArchiveMember[] = [
    small('oci-layout', { imageLayoutVersion: '1.0.0' }),
    small('index.json', layoutIndex(name, target, image)),
    ...(format === 'docker' ? dockerTables(name, image) : []),
    { kind: 'folder', path: 'blobs' },
    { kind: 'folder', path: 'blobs/sha256' },
  ];
  for (const [digest, size] of [...blobs].sort(([a], [b]) => (a < b ? -1 : 1))) {
    files.push({
      kind: 'file',
      path: blobPath(digest),
      size,
      digest,
      stream: () => made.get(digest)?.stream() ?? streamBlob(content, digest),
    });
  }
  return files;
}

function layoutIndex(name: string, target: Descriptor, image: ShownImage): unknown {
  const { mediaType, digest, size } = target;
  const { tag } = splitReference(name);
  const annotations = { [NAME_ANNOTATION]: name, [REF_NAME_ANNOTATION]: tag ?? name };
  const platform = isManifestType(mediaType) ? { platform: image.platform } : {};
  return {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [{ mediaType, digest, size, annotations, ...platform }],
  };
}

/** manifest.json, which `docker load` reads, and repositories, which older readers look for. */
function dockerTables(name: string, image: ShownImage): ArchiveMember[] {
  const reference = fullName(name);
  const item = {
    Config: blobPath(image.config.descriptor.digest),
    RepoTags: reference === undefined || reference.includes('@') ? null : [reference],
    Layers: image.layers.map((layer) => blobPath(layer.descriptor.digest)),
  };
  const { repository, tag } = splitReference(reference ?? '');
  const repositories =
    tag === undefined ? {} : { [repository]: { [tag]: digestHex(image.config.descriptor.digest) } };
  return [small('manifest.json', [item]), small('repositories', repositories)];
}

/** Every blob below `target` with its size; undefined if one is not in the store. */
async function allBlobs(content: Content, target: Descriptor): Promise<Map<Digest, number> | undefined> {
  const found = new Map<Digest, number>();
  const open = [target];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (found.has(at.digest)) continue;
    if (!(await content.has(at.digest))) return undefined;
    found.set(at.digest, at.size);
    if (isIndexType(at.mediaType)) {
      const index = await parseIndex(await content.read(at.digest, JSON_LIMIT), `index ${at.digest}`);
      open.push(...index.manifests);
    } else if (isManifestType(at.mediaType)) {
      const manifest = await parseManifest(
        await content.read(at.digest, JSON_LIMIT),
        `manifest ${at.digest}`,
      );
      open.push(manifest.config, ...manifest.layers);
    }
  }
  return found;
}

async function missing(content: Content, image: SelectedImage, what: string): Promise<StoreError> {
  for (const { descriptor } of image.layers) {
    if (!(await content.has(descriptor.digest))) {
      return new StoreError('corrupt', what, `layer ${descriptor.digest} is missing`, {
        hint: 'import or pull the image again',
      });
    }
  }
  return new StoreError('corrupt', what, 'a part of it is missing');
}

function small(path: string, value: unknown): ArchiveFile {
  const { bytes } = encodeJson('', value);
  return {
    kind: 'file',
    path,
    size: bytes.length,
    async *stream() {
      yield bytes;
    },
  };
}

function blobPath(digest: Digest): string {
  return `blobs/sha256/${digestHex(digest)}`;
}

async function* streamBlob(content: Content, digest: Digest): AsyncIterable<Uint8Array> {
  const blob = await content.open(digest);
  try {
    yield* blob.stream();
  } finally {
    await blob.close();
  }
}
