// Blobs and images as the files of the content store tell them. An image is a manifest or an index that no other index
// names; its parts are what it leads to.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { chainId, type Digest, digestHex, digestOf, isDigest } from '../digest.js';
import { StoreError } from '../errors.js';
import { indexLabels, manifestLabels } from '../images/labels.js';
import { OCI_INDEX, OCI_MANIFEST } from '../images/media-types.js';
import {
  type Index,
  JSON_LIMIT,
  type Manifest,
  parseConfig,
  parseIndex,
  parseManifest,
} from '../images/oci.js';
import type { Labels } from '../labels.js';
import type { BlobRow, Descriptor } from '../metadata/rows.js';
import { timeOfNs } from '../time.js';

export interface FoundImage {
  readonly namespace: string;
  readonly target: Descriptor;
  /** All blobs of it that are there, each with the labels by which it keeps the others. */
  readonly parts: ReadonlyMap<Digest, Labels>;
}

type Document =
  | { readonly kind: 'index'; readonly mediaType: string; readonly json: Index }
  | { readonly kind: 'manifest'; readonly mediaType: string; readonly json: Manifest };

/** The blobs whose files are there. `folder` is ROOT/content. */
export function findBlobs(folder: string): ReadonlyMap<Digest, BlobRow> {
  const path = join(folder, 'blobs', 'sha256');
  const names = existsSync(path) ? readdirSync(path).sort() : [];
  const rows = names.flatMap((name): BlobRow[] => {
    const digest = `sha256:${name}`;
    if (!isDigest(digest)) return [];
    const { size, mtimeNs } = statSync(join(path, name), { bigint: true });
    const created = timeOfNs(mtimeNs);
    return [{ digest, size: Number(size), created, updated: created, labels: {} }];
  });
  return new Map(rows.map((row) => [row.digest, row]));
}

/** `namespacesOf` says to whom the snapshot of an image belongs; an image is found once for each. */
export async function findImages(
  folder: string,
  blobs: ReadonlyMap<Digest, BlobRow>,
  namespacesOf: (topSnapshot: Digest | undefined) => readonly string[],
): Promise<readonly FoundImage[]> {
  const documents = new Map<Digest, Document>();
  for (const { digest, size } of blobs.values()) {
    const document = size > JSON_LIMIT ? undefined : await documentIn(folder, digest);
    if (document !== undefined) documents.set(digest, document);
  }
  const inner = new Set(
    [...documents.values()].flatMap((one) => (one.kind === 'index' ? childrenOf(one) : [])),
  );
  const images: FoundImage[] = [];
  for (const [digest, document] of documents) {
    if (inner.has(digest)) continue;
    const parts = partsOf(digest, documents, blobs);
    const top = await topOf(folder, [...parts.keys()], documents);
    const target = { mediaType: document.mediaType, digest, size: blobs.get(digest)?.size ?? 0 };
    for (const namespace of namespacesOf(top)) images.push({ namespace, target, parts });
  }
  return images;
}

function childrenOf(document: Document): readonly Digest[] {
  if (document.kind === 'index') return document.json.manifests.map(({ digest }) => digest);
  return [document.json.config, ...document.json.layers].map(({ digest }) => digest);
}

function partsOf(
  target: Digest,
  documents: ReadonlyMap<Digest, Document>,
  blobs: ReadonlyMap<Digest, BlobRow>,
): ReadonlyMap<Digest, Labels> {
  const parts = new Map<Digest, Labels>();
  const pending = [target];
  for (let digest = pending.pop(); digest !== undefined; digest = pending.pop()) {
    if (parts.has(digest) || !blobs.has(digest)) continue;
    const document = documents.get(digest);
    parts.set(digest, document === undefined ? {} : labelsOf(document));
    if (document !== undefined) pending.push(...childrenOf(document));
  }
  return parts;
}

function labelsOf(document: Document): Labels {
  return document.kind === 'index' ? indexLabels(document.json) : manifestLabels(document.json);
}

/** The chain ID of the first of the manifests whose config is there. */
async function topOf(
  folder: string,
  digests: readonly Digest[],
  documents: ReadonlyMap<Digest, Document>,
): Promise<Digest | undefined> {
  for (const document of digests.map((digest) => documents.get(digest))) {
    if (document?.kind !== 'manifest') continue;
    const bytes = bytesOf(folder, document.json.config.digest);
    const config = bytes && (await parsed(() => parseConfig(bytes, 'config')));
    if (config === undefined) continue;
    return config.rootfs.diff_ids.reduce<Digest | undefined>(
      (chain, diffId) => chainId(chain, diffId),
      undefined,
    );
  }
  return undefined;
}

/** What a blob is, if it is whole and one of the two. */
async function documentIn(folder: string, digest: Digest): Promise<Document | undefined> {
  const bytes = bytesOf(folder, digest);
  if (bytes === undefined || bytes[0] !== 0x7b || digestOf(bytes) !== digest) return undefined;
  // This way round, because a manifest would pass for an index of nothing.
  const manifest = await parsed(() => parseManifest(bytes, digest));
  if (manifest !== undefined) {
    return { kind: 'manifest', mediaType: manifest.mediaType ?? OCI_MANIFEST, json: manifest };
  }
  const index = await parsed(() => parseIndex(bytes, digest));
  if (index === undefined || index.manifests.length === 0) return undefined;
  return { kind: 'index', mediaType: index.mediaType ?? OCI_INDEX, json: index };
}

function bytesOf(folder: string, digest: Digest): Buffer | undefined {
  const path = join(folder, 'blobs', 'sha256', digestHex(digest));
  return existsSync(path) ? readFileSync(path) : undefined;
}

async function parsed<T>(parse: () => Promise<T>): Promise<T | undefined> {
  try {
    return await parse();
  } catch (error) {
    if (error instanceof StoreError && error.kind === 'corrupt') return undefined;
    throw error;
  }
}
