// The media types of image parts: OCI's own and Docker's schema 2 (image-spec, media-types.md). Those that this
// program writes are OCI's.

import { StoreError } from '../errors.js';

export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar';
export const OCI_LAYER_GZIP = `${OCI_LAYER}+gzip`;
const OCI_LAYER_ZSTD = `${OCI_LAYER}+zstd`;

export const DOCKER_INDEX = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';

const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar';
const DOCKER_FOREIGN_LAYER = 'application/vnd.docker.image.rootfs.foreign.diff.tar';
const OCI_NONDISTRIBUTABLE = 'application/vnd.oci.image.layer.nondistributable.v1.tar';

export function isIndexType(mediaType: string): boolean {
  return mediaType === OCI_INDEX || mediaType === DOCKER_INDEX;
}

export function isManifestType(mediaType: string): boolean {
  return mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST;
}

export function isConfigType(mediaType: string): boolean {
  return mediaType === OCI_CONFIG || mediaType === DOCKER_CONFIG;
}

const READABLE_LAYERS: ReadonlySet<string> = new Set([
  ...[OCI_LAYER, OCI_NONDISTRIBUTABLE].flatMap((type) => [type, `${type}+gzip`, `${type}+zstd`]),
  ...[DOCKER_LAYER, DOCKER_FOREIGN_LAYER].flatMap((type) => [type, `${type}.gzip`, `${type}.zstd`]),
]);

/** Of layers that manifests say where to get, because a registry does not pass them on. */
export function isForeignType(mediaType: string): boolean {
  return [DOCKER_FOREIGN_LAYER, OCI_NONDISTRIBUTABLE].some((type) => mediaType.startsWith(type));
}

/** What a layer is called by its compression. */
export const LAYER_TYPES = { none: OCI_LAYER, gzip: OCI_LAYER_GZIP, zstd: OCI_LAYER_ZSTD } as const;

/** Which compression the bytes really have is read from their first bytes, not from the type. */
export function isLayerType(mediaType: string): boolean {
  return READABLE_LAYERS.has(mediaType);
}

/** A layer that registries need not keep, because it is got elsewhere (its descriptor's `urls`). */
export function isForeignLayerType(mediaType: string): boolean {
  return mediaType.startsWith(DOCKER_FOREIGN_LAYER) || mediaType.startsWith(OCI_NONDISTRIBUTABLE);
}

/** OCI's name for the type of a layer: an OCI manifest may not hold Docker's. */
export function ociLayerType(mediaType: string): string {
  return mediaType
    .replace(DOCKER_FOREIGN_LAYER, OCI_NONDISTRIBUTABLE)
    .replace(DOCKER_LAYER, OCI_LAYER)
    .replace(/\.(gzip|zstd)$/, '+$1');
}

/** `unsupported`, with the type named; `what` begins the error. */
export function unknownMediaType(what: string, part: string, mediaType: string): StoreError {
  const encrypted = mediaType.endsWith('+encrypted');
  const why = encrypted
    ? `the ${part} is encrypted (${mediaType})`
    : `${part} of unknown media type ${mediaType}`;
  return new StoreError('unsupported', what, why);
}
