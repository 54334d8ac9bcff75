// Reading from one repository of a registry (distribution-spec, "Pull"): manifests by tag or digest, blobs by digest.
// What a digest names is believed only when the bytes have that digest.

import { type Digest, digestOf, isDigest } from '../digest.js';
import { StoreError } from '../errors.js';
import {
  DOCKER_INDEX,
  DOCKER_MANIFEST,
  isIndexType,
  isManifestType,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../images/media-types.js';
import { gather } from '../images/member-bytes.js';
import { JSON_LIMIT } from '../images/oci.js';
import type { Descriptor } from '../metadata/rows.js';
import type { Access } from './authority.js';
import { RefusedError } from './failure.js';
import type { HttpResponse } from './http.js';
import type { Registry } from './registry.js';
import { persistently } from './retry.js';

export interface RemoteManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

const ACCEPT = [OCI_INDEX, DOCKER_INDEX, OCI_MANIFEST, DOCKER_MANIFEST].join(', ');
const SCHEMA_1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+(?:json|prettyjws)$/;

export class Repository {
  readonly registry: Registry;
  readonly name: string;
  readonly what: string;
  readonly access: Access;

  /** `what` begins the errors; `actions` are what the logins are for. */
  constructor(registry: Registry, name: string, what: string, actions: 'pull' | 'pull,push' = 'pull') {
    this.registry = registry;
    this.name = name;
    this.what = what;
    this.access = { repository: name, scopes: [`repository:${name}:${actions}`] };
  }

  /**
   * What a tag or digest stands for. Asks for the head alone, which registries that count pulls do not count;
   * where that does not tell, the bytes come along.
   */
  async resolve(reference: string): Promise<Descriptor | RemoteManifest> {
    let response: HttpResponse;
    try {
      response = await this.#manifest('HEAD', reference);
    } catch (error) {
      // The answer to HEAD has no body that could say why, and some registries know no HEAD.
      if (!(error instanceof RefusedError)) throw error;
      return this.manifest(reference);
    }
    response.drop();
    const { headers } = response;
    const digest = isDigest(reference) ? reference : headers['docker-content-digest'];
    const mediaType = typeOf(headers['content-type']);
    const size = Number(headers['content-length'] ?? Number.NaN);
    if (typeof digest !== 'string' || !isDigest(digest) || !isKnown(mediaType) || !(size > 0)) {
      return this.manifest(reference);
    }
    return { mediaType, digest, size };
  }

  /** The manifest or index under a tag or digest, verified in the latter case. */
  async manifest(reference: string): Promise<RemoteManifest> {
    return persistently(this.what, this.registry.trying(), async () => {
      const response = await this.#manifest('GET', reference, false);
      const length = Number(response.headers['content-length'] ?? 0);
      if (length > JSON_LIMIT) {
        response.drop();
        const why = `manifest ${reference} has ${length} bytes, more than the ${JSON_LIMIT} allowed`;
        throw new StoreError('corrupt', this.what, why);
      }
      const bytes = await this.#read(response, `manifest ${reference}`);
      const digest = digestOf(bytes);
      this.#assertDigest(reference, digest, 'manifest');
      const mediaType = this.#mediaType(typeOf(response.headers['content-type']), bytes, reference);
      return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
    });
  }

  /** A small blob whole, verified. */
  async smallBlob({ digest, size }: Descriptor): Promise<Uint8Array> {
    if (size > JSON_LIMIT) {
      const why = `${digest} has ${size} bytes, more than the ${JSON_LIMIT} allowed`;
      throw new StoreError('corrupt', this.what, why);
    }
    return persistently(this.what, this.registry.trying(), async () => {
      const bytes = await this.#read(await this.openBlob(digest, 0), digest);
      this.#assertDigest(digest, digestOf(bytes), 'blob');
      return bytes;
    });
  }

  /** The answer with a blob's bytes: 206 with those from `offset` on, or 200 with all, or 416. One try. */
  openBlob(digest: Digest, offset: number): Promise<HttpResponse> {
    return this.registry.send({
      ...this.access,
      method: 'GET',
      path: `${this.name}/blobs/${digest}`,
      headers: offset > 0 ? { Range: `bytes=${offset}-` } : {},
      expect: [200, 206, 416],
      what: this.what,
    });
  }

  /** Whether the repository has the blob. */
  async hasBlob(digest: Digest): Promise<boolean> {
    const response = await this.registry.ask({
      ...this.access,
      method: 'HEAD',
      path: `${this.name}/blobs/${digest}`,
      expect: [200, 404],
      what: this.what,
    });
    response.drop();
    return response.status === 200;
  }

  #manifest(method: 'GET' | 'HEAD', reference: string, again = true): Promise<HttpResponse> {
    const request = {
      ...this.access,
      method,
      path: `${this.name}/manifests/${reference}`,
      headers: { Accept: ACCEPT },
      expect: [200],
      what: this.what,
    };
    return again ? this.registry.ask(request) : this.registry.send(request);
  }

  async #read(response: HttpResponse, part: string): Promise<Uint8Array> {
    try {
      return await gather(response.body, JSON_LIMIT, `${this.what}: ${part}`);
    } catch (error) {
      throw this.registry.broken(this.what, error);
    }
  }

  #assertDigest(reference: string, actual: Digest, part: string): void {
    if (!isDigest(reference) || reference === actual) return;
    throw new StoreError('corrupt', this.what, `${part} ${reference} has the digest ${actual}`);
  }

  /** What the header says, else what the manifest says of itself. */
  #mediaType(header: string, bytes: Uint8Array, reference: string): string {
    const inside = insideOf(bytes);
    if (SCHEMA_1.test(header) || inside.schemaVersion === 1) {
      throw new StoreError('unsupported', this.what, `manifest ${reference} is of Docker's schema 1`, {
        hint: 'push the image again with a program of the last years, such as skopeo copy',
      });
    }
    if (isKnown(header) || inside.mediaType === undefined) return header;
    return inside.mediaType;
  }
}

function isKnown(mediaType: string): boolean {
  return isIndexType(mediaType) || isManifestType(mediaType);
}

function typeOf(header: string | undefined): string {
  return (header ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

function insideOf(bytes: Uint8Array): { mediaType?: string; schemaVersion?: number } {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return typeof value === 'object' && value !== null ? value : {};
  } catch (error) {
    // Whoever parses it says what is wrong with it.
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
