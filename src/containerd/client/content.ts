// The blobs of a server: containerd.services.content.v1 as a Content. Bytes pass through a message at a time, however long
// the blob.

import type {
  BlobInfo,
  BlobReader,
  Content,
  ContentWriter,
  IngestStatus,
  WriterOptions,
} from '../../content/content.js';
import { assertRef } from '../../content/row-content.js';
import { Puts, readWhole, verifyWhole } from '../../content/whole-blob.js';
import { type Digest, parseDigest } from '../../digest.js';
import { isKind, StoreError } from '../../errors.js';
import { parseFilters } from '../../filter.js';
import type { Labels } from '../../labels.js';
import { timeOf } from '../convert.js';
import { ContentService, type Info, type Status } from '../gen/containerd/services/content/v1/content.js';
import type { Connection } from './connection.js';
import { ProxyWriter } from './content-writer.js';

export class ProxyContent implements Content {
  readonly #connection: Connection;
  readonly #puts = new Puts(this);

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async info(digest: Digest): Promise<BlobInfo> {
    const what = `cannot find blob ${digest}`;
    const request = { digest: parseDigest(digest) };
    const { info } = await this.#connection.unary(ContentService.info, request, { what });
    return told(info, what);
  }

  async has(digest: Digest): Promise<boolean> {
    try {
      await this.info(digest);
      return true;
    } catch (error) {
      if (isKind(error, 'not-found')) return false;
      throw error;
    }
  }

  async *walk(filters: readonly string[] = []): AsyncIterable<BlobInfo> {
    // A server calls a filter that it cannot read an unknown failure.
    parseFilters(filters);
    const what = 'cannot list blobs';
    const request = { filters: [...filters] };
    for await (const { info } of this.#connection.stream(ContentService.list, request, { what })) {
      yield* info.map(blobOf);
    }
  }

  async update(digest: Digest, labels: Labels, fieldPaths: readonly string[]): Promise<BlobInfo> {
    const what = `cannot label blob ${digest}`;
    const changed: Info = {
      digest: parseDigest(digest),
      size: 0,
      createdAt: undefined,
      updatedAt: undefined,
      labels: { ...labels },
    };
    const updateMask = fieldPaths.length === 0 ? undefined : [...fieldPaths];
    const request = { info: changed, updateMask };
    const { info } = await this.#connection.unary(ContentService.update, request, { what });
    return told(info, what);
  }

  async delete(digest: Digest, lease?: string): Promise<void> {
    const what = `cannot remove blob ${digest}`;
    const request = { digest: parseDigest(digest) };
    await this.#connection.unary(ContentService.delete, request, { what, lease });
  }

  async discard(digest: Digest, lease?: string): Promise<void> {
    try {
      await this.delete(digest, lease);
    } catch (error) {
      if (!isKind(error, 'not-found')) throw error;
    }
  }

  async open(digest: Digest): Promise<BlobReader> {
    const { size } = await this.info(digest);
    return new ProxyReader(this.#connection, digest, size);
  }

  read(digest: Digest, limit?: number): Promise<Uint8Array> {
    return readWhole(this, digest, limit);
  }

  verify(digest: Digest): Promise<void> {
    return verifyWhole(this, digest);
  }

  async writer(options: WriterOptions): Promise<ContentWriter> {
    const { ref, expected } = options;
    assertRef(ref);
    if (expected !== undefined) parseDigest(expected);
    return ProxyWriter.open(this.#connection, options, (digest) => this.info(digest));
  }

  put(ref: string, bytes: Uint8Array, labels: Labels = {}): Promise<BlobInfo> {
    return this.#puts.put(ref, bytes, labels);
  }

  async status(ref: string): Promise<IngestStatus> {
    assertRef(ref);
    const what = `cannot find ingest ${ref}`;
    const { status } = await this.#connection.unary(ContentService.status, { ref }, { what });
    if (status === undefined) throw silent(what);
    return ingestOf(status);
  }

  async statuses(filters: readonly string[] = []): Promise<readonly IngestStatus[]> {
    parseFilters(filters);
    const what = 'cannot list ingests';
    const request = { filters: [...filters] };
    const { statuses } = await this.#connection.unary(ContentService.listStatuses, request, { what });
    return statuses.map(ingestOf).sort((a, b) => (a.ref < b.ref ? -1 : 1));
  }

  async abort(ref: string): Promise<void> {
    assertRef(ref);
    await this.#connection.unary(ContentService.abort, { ref }, { what: `cannot abort ingest ${ref}` });
  }
}

class ProxyReader implements BlobReader {
  readonly size: number;
  readonly #connection: Connection;
  readonly #digest: Digest;

  constructor(connection: Connection, digest: Digest, size: number) {
    this.#connection = connection;
    this.#digest = digest;
    this.size = size;
  }

  async readAt(into: Uint8Array, offset: number): Promise<number> {
    let at = 0;
    for await (const chunk of this.stream(offset, into.length)) {
      into.set(chunk, at);
      at += chunk.length;
    }
    return at;
  }

  async *stream(offset = 0, size = this.size): AsyncIterable<Uint8Array> {
    let left = Math.min(size, this.size - offset);
    // For a server 0 bytes are all that there are.
    if (left <= 0) return;
    const what = `cannot read blob ${this.#digest}`;
    const request = { digest: this.#digest, offset, size: left };
    for await (const { data } of this.#connection.stream(ContentService.read, request, { what })) {
      const chunk = data.subarray(0, left);
      left -= chunk.length;
      yield chunk;
      if (left === 0) return;
    }
    throw new StoreError('corrupt', what, `${left} bytes of it are missing`);
  }

  async close(): Promise<void> {
    // Each reading is a call of its own.
  }
}

function told(info: Info | undefined, what: string): BlobInfo {
  if (info === undefined) throw silent(what);
  return blobOf(info);
}

function silent(what: string): StoreError {
  return new StoreError('failed', what, 'the server did not say what it has');
}

/** containerd 1.6 leaves the time of the last change out of lists. */
function blobOf({ digest, size, createdAt, updatedAt, labels }: Info): BlobInfo {
  return { digest, size, created: timeOf(createdAt), updated: timeOf(updatedAt ?? createdAt), labels };
}

function ingestOf({ ref, offset, total, expected, startedAt, updatedAt }: Status): IngestStatus {
  return {
    ref,
    offset,
    total,
    ...(expected === '' ? {} : { expected }),
    startedAt: timeOf(startedAt),
    updatedAt: timeOf(updatedAt),
  };
}
