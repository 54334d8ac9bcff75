// Digests as OCI spells them (`sha256:<hex>`) and the chain ID that names a stack of layers
// (OCI image-spec, config.md, "Layer ChainID").

import { createHash, type Hash } from 'node:crypto';
import { StoreError } from './errors.js';

/** `sha256:` and 64 lower-case hex digits. */
export type Digest = string;

const DIGEST = /^sha256:[0-9a-f]{64}$/;

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** `text` as a digest; invalid-argument if it is none, or of an algorithm other than sha256. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  const algorithm = /^[a-z0-9+._-]+(?=:)/.exec(text)?.[0];
  const why =
    algorithm !== undefined && algorithm !== 'sha256'
      ? `the algorithm ${algorithm} is not supported, only sha256`
      : 'a digest is sha256: and 64 lower-case hex digits';
  throw new StoreError('invalid-argument', `cannot use digest ${text}`, why);
}

/** The hex part. */
export function digestHex(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** A running digest: `update` as often as there is data, then `digest` once. */
export class Digester {
  readonly #hash: Hash = createHash('sha256');
  #size = 0;

  /** Bytes seen so far. */
  get size(): number {
    return this.#size;
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#size += bytes.length;
  }

  digest(): Digest {
    return `sha256:${this.#hash.copy().digest('hex')}`;
  }
}

/** The chain ID of a layer with this diff ID on top of a chain; without a parent it is the diff ID itself. */
export function chainId(parent: Digest | undefined, diffId: Digest): Digest {
  return parent === undefined ? diffId : digestOf(`${parent} ${diffId}`);
}
