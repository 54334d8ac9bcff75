// Blobs that are read, checked and put in one piece: the same for every content store, here or at a server, because it is
// made of the rest of the contract.

import { type Digest, Digester, digestOf } from '../digest.js';
import { isKind, StoreError } from '../errors.js';
import { KeyedLock } from '../keyed-lock.js';
import type { Labels } from '../labels.js';
import type { BlobInfo, Content } from './content.js';

/** What `readWhole` takes when not told: twice the manifest that every registry must accept. */
const READ_LIMIT = 8 * 1024 * 1024;
/** How often a blob is put that others put, or take away, at the same time. */
const PUT_ATTEMPTS = 5;

/** As `Content.read`. */
export async function readWhole(
  content: Pick<Content, 'open'>,
  digest: Digest,
  limit: number = READ_LIMIT,
): Promise<Uint8Array> {
  const what = `cannot read blob ${digest}`;
  const reader = await content.open(digest);
  try {
    if (reader.size > limit) {
      throw new StoreError('corrupt', what, `it has ${reader.size} bytes; at most ${limit} are expected`);
    }
    const bytes = new Uint8Array(reader.size);
    await reader.readAt(bytes, 0);
    if (digestOf(bytes) !== digest) throw new StoreError('corrupt', what, 'its bytes have another digest');
    return bytes;
  } finally {
    await reader.close();
  }
}

/** As `Content.verify`. */
export async function verifyWhole(content: Pick<Content, 'open'>, digest: Digest): Promise<void> {
  const reader = await content.open(digest);
  try {
    const digester = new Digester();
    for await (const chunk of reader.stream()) digester.update(chunk);
    if (digester.digest() === digest) return;
    throw new StoreError('corrupt', `cannot verify blob ${digest}`, 'its bytes have another digest');
  } finally {
    await reader.close();
  }
}

/** `Content.put` of one content store: those of one ref wait for each other. */
export class Puts {
  readonly #content: Pick<Content, 'info' | 'update' | 'writer'>;
  readonly #lock = new KeyedLock();

  constructor(content: Pick<Content, 'info' | 'update' | 'writer'>) {
    this.#content = content;
  }

  /** Labels of a blob that exists already are added to, none are taken away. */
  async put(ref: string, bytes: Uint8Array, labels: Labels): Promise<BlobInfo> {
    return this.#lock.run(ref, async () => {
      const digest = digestOf(bytes);
      for (let attempt = 1; ; attempt++) {
        const old = await this.#infoIfAny(digest);
        try {
          if (old !== undefined) return await this.#addLabels(old, labels);
          // Whoever else writes the same just now keeps the ref, which is of use to him alone.
          const own = attempt === 1 ? ref : `${ref}-${process.pid}-${Math.random().toString(36).slice(2)}`;
          return await this.#putWhole(own, digest, bytes, labels);
        } catch (error) {
          // Somebody puts it too, was faster, or has just taken it away.
          const races =
            old === undefined ? (['unavailable', 'already-exists'] as const) : (['not-found'] as const);
          if (attempt === PUT_ATTEMPTS || !races.some((kind) => isKind(error, kind))) throw error;
        }
      }
    });
  }

  async #putWhole(ref: string, digest: Digest, bytes: Uint8Array, labels: Labels): Promise<BlobInfo> {
    const writer = await this.#content.writer({ ref, expected: digest, total: bytes.length });
    try {
      // What an earlier writer left under this ref may be anything; a blob shared by another namespace is whole.
      if (writer.digest() !== digest) {
        if (writer.offset > 0) await writer.truncate(0);
        await writer.write(bytes);
      }
      return await writer.commit({ labels });
    } finally {
      await writer.close();
    }
  }

  async #infoIfAny(digest: Digest): Promise<BlobInfo | undefined> {
    try {
      return await this.#content.info(digest);
    } catch (error) {
      if (isKind(error, 'not-found')) return undefined;
      throw error;
    }
  }

  async #addLabels(old: BlobInfo, labels: Labels): Promise<BlobInfo> {
    const paths = Object.keys(labels).filter((key) => old.labels[key] !== labels[key]);
    if (paths.length === 0) return old;
    return this.#content.update(
      old.digest,
      labels,
      paths.map((key) => `labels.${key}`),
    );
  }
}
