// What `docker save` writes (Docker before 25, skopeo, podman) as a source: manifest.json names a config and the
// layers of each image, base first. There is no manifest, so one is made: the same archive always gives the same
// manifest digest. Layers are stored as they come, usually plain tars, whose diff ID is then their digest.

import { compressionOf } from '../diff/compression.js';
import { type Digest, Digester, digestOf, isDigest } from '../digest.js';
import { StoreError } from '../errors.js';
import type { Descriptor } from '../metadata/rows.js';
import { LAYER_TYPES, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST } from './media-types.js';
import { readMember } from './member-bytes.js';
import type { Members } from './members.js';
import { type DockerManifest, encodeJson, parseConfig, parseDockerManifest } from './oci.js';
import { fullName } from './reference.js';
import type { ImageSource, SourceBlob, SourceEntry } from './source.js';

type Item = DockerManifest[number];

export async function openDockerArchive(members: Members, what: string): Promise<ImageSource> {
  const bytes = await readMember(members, 'manifest.json', what);
  if (bytes === undefined) throw new StoreError('corrupt', what, 'manifest.json is missing');
  const items = await parseDockerManifest(bytes, 'manifest.json');
  const blobs = new Map<Digest, SourceBlob>();
  const entries: SourceEntry[] = [];
  for (const item of items) {
    const descriptor = await addImage(members, item, blobs, what);
    const names = item.RepoTags.map((tag) => fullName(tag) ?? tag);
    if (names.length === 0) entries.push({ descriptor });
    for (const name of names) entries.push({ name, descriptor });
  }
  return {
    entries,
    blob: async (digest) => blobs.get(digest),
    close: () => members.close(),
  };
}

/** Puts config, layers and a manifest of one image into `blobs`. */
async function addImage(
  members: Members,
  item: Item,
  blobs: Map<Digest, SourceBlob>,
  what: string,
): Promise<Descriptor> {
  const configBytes = await readMember(members, item.Config, what);
  if (configBytes === undefined) throw new StoreError('corrupt', what, `config ${item.Config} is missing`);
  const digest = digestOf(configBytes);
  assertNamedBy(item.Config, digest, what);
  const config = await parseConfig(configBytes, `config ${item.Config}`);
  const layers: Descriptor[] = [];
  for (const [i, path] of item.Layers.entries()) {
    const layer = await addLayer(members, path, config.rootfs.diff_ids[i], blobs, what);
    layers.push(layer);
  }
  blobs.set(digest, inMemory(configBytes));
  const manifest = encodeJson(OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest, size: configBytes.length },
    layers,
  });
  blobs.set(manifest.descriptor.digest, inMemory(manifest.bytes));
  return manifest.descriptor;
}

/** A plain tar must have the diff ID as its digest, which the import verifies; another one is hashed here. */
async function addLayer(
  members: Members,
  path: string,
  diffId: Digest | undefined,
  blobs: Map<Digest, SourceBlob>,
  what: string,
): Promise<Descriptor> {
  const size = await members.size(path);
  if (size === undefined) throw new StoreError('corrupt', what, `layer ${path} is missing`);
  const mediaType = await layerType(members, path);
  const plain = mediaType === OCI_LAYER && diffId !== undefined;
  const digest = plain ? diffId : await digestOfMember(members, path);
  blobs.set(digest, { size, stream: (offset) => members.stream(path, offset) });
  return { mediaType, digest, size };
}

async function layerType(members: Members, path: string): Promise<string> {
  for await (const chunk of members.stream(path)) return LAYER_TYPES[compressionOf(chunk)];
  return OCI_LAYER;
}

async function digestOfMember(members: Members, path: string): Promise<Digest> {
  const digester = new Digester();
  for await (const chunk of members.stream(path)) digester.update(chunk);
  return digester.digest();
}

/** `<hex>.json` and `blobs/sha256/<hex>` promise a digest. */
function assertNamedBy(path: string, digest: Digest, what: string): void {
  const named = `sha256:${/(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(path)?.[1] ?? ''}`;
  if (isDigest(named) && named !== digest) {
    throw new StoreError('corrupt', what, `config ${path} has the digest ${digest}`);
  }
}

function inMemory(bytes: Uint8Array): SourceBlob {
  return {
    size: bytes.length,
    async *stream(offset) {
      if (offset < bytes.length) yield bytes.subarray(offset);
    },
  };
}
