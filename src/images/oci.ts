// Reads the JSON of images, which comes from strangers: the size is limited before it is parsed, each field that
// is relied on is checked, and the error names the blob and the field. Bytes are never written again: a digest is
// that of the exact bytes.

import { type Digest, digestOf } from '../digest.js';
import { StoreError } from '../errors.js';
import type { Descriptor } from '../metadata/rows.js';
import type { DockerManifest, ImageConfig, Index, Manifest } from './oci-schema.js';

export type { DockerManifest, ImageConfig, Index, Manifest };

/** The longest manifest, index or config that is read, in bytes (distribution-spec asks for at least 4 MiB). */
export const JSON_LIMIT = 4 * 1024 * 1024;

type SchemaName = 'indexSchema' | 'manifestSchema' | 'configSchema' | 'dockerManifestSchema' | 'layoutSchema';

/** `where` names the bytes in the error: `index sha256:…`, `manifest.json`. All throw StoreError 'corrupt'. */
export async function parseIndex(bytes: Uint8Array, where: string): Promise<Index> {
  return (await parse('indexSchema', bytes, where)) as Index;
}

export async function parseManifest(bytes: Uint8Array, where: string): Promise<Manifest> {
  return (await parse('manifestSchema', bytes, where)) as Manifest;
}

export async function parseConfig(bytes: Uint8Array, where: string): Promise<ImageConfig> {
  return (await parse('configSchema', bytes, where)) as ImageConfig;
}

/** Docker's manifest.json, the table of contents of a docker-archive. */
export async function parseDockerManifest(bytes: Uint8Array, where: string): Promise<DockerManifest> {
  return (await parse('dockerManifestSchema', bytes, where)) as DockerManifest;
}

/** The file `oci-layout`; 'unsupported' for a version other than 1.x. */
export async function checkLayout(bytes: Uint8Array, where: string): Promise<void> {
  const { imageLayoutVersion } = (await parse('layoutSchema', bytes, where)) as {
    imageLayoutVersion: string;
  };
  if (!/^1\./.test(imageLayoutVersion)) {
    throw new StoreError('unsupported', `cannot read ${where}`, `image layout version ${imageLayoutVersion}`);
  }
}

/**
 * The layers of an image with their diff IDs, base first. corrupt if config and manifest disagree about how many
 * there are: whoever is believed, the other's chain of layers would be a different one.
 */
export function pairLayers(
  manifest: Manifest,
  config: ImageConfig,
  manifestDigest: Digest,
): readonly { readonly descriptor: Descriptor; readonly diffId: Digest }[] {
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== manifest.layers.length) {
    throw new StoreError(
      'corrupt',
      `cannot read image ${manifestDigest}`,
      `the manifest has ${manifest.layers.length} layers, but config ${manifest.config.digest} has ${diffIds.length} diff IDs`,
    );
  }
  return manifest.layers.map((descriptor, i) => ({ descriptor, diffId: diffIds[i] ?? '' }));
}

/** Bytes of an object that this program writes, with its digest. */
export interface Encoded {
  readonly bytes: Uint8Array;
  readonly descriptor: Descriptor;
}

/** `value` as JSON, in the order of its fields, without blanks. */
export function encodeJson(mediaType: string, value: unknown): Encoded {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return { bytes, descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length } };
}

async function parse(schema: SchemaName, bytes: Uint8Array, where: string): Promise<unknown> {
  const what = `cannot read ${where}`;
  if (bytes.length > JSON_LIMIT) {
    throw new StoreError('corrupt', what, `${bytes.length} bytes are more than the ${JSON_LIMIT} allowed`);
  }
  const schemas = await import('./oci-schema.js');
  const result = schemas.check(schemas[schema], parseJson(bytes, what));
  if ('fault' in result) throw new StoreError('corrupt', what, result.fault);
  return result.output;
}

function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    // Go writes empty lists and maps as null: both mean that the field is absent.
    return JSON.parse(
      new TextDecoder('utf-8', { fatal: true }).decode(bytes),
      (_key, value) => value ?? undefined,
    );
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) {
      throw new StoreError('corrupt', what, 'not valid JSON', { cause: error });
    }
    throw error;
  }
}
