// One blob to a repository (distribution-spec, "Push"): not at all if it is there, mounted from another repository of
// the registry if one is known to have it, else sent. A large blob goes as one PATCH, as Docker sends it, which every
// registry takes, or in chunks where that is wanted; after a break the registry is asked how much it has.

import type { Content } from '../content/content.js';
import { StoreError } from '../errors.js';
import type { OnProgress } from '../images/images.js';
import type { Descriptor } from '../metadata/rows.js';
import { RefusedError, TransientError } from './failure.js';
import type { HttpResponse, RequestBody } from './http.js';
import type { Repository } from './repository.js';
import { Patience } from './retry.js';

export interface UploadOptions {
  readonly content: Content;
  /** Repositories of the same registry that may have the blob. */
  readonly sources: readonly string[];
  /** The most bytes of a PATCH; undefined: all. */
  readonly chunkSize?: number | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export type Uploaded = 'exists' | 'mounted' | 'sent';

/** Up to this many bytes one PUT has all. */
const SMALL = 256 * 1024;
/** For registries that do not take a blob in one piece. */
const FALLBACK_CHUNK = 4 << 20;
/** Each is a request, and most blobs have one. */
const SOURCES_MAX = 3;

/** Makes the repository have the blob. corrupt if the bytes here are not what the digest says. */
export async function uploadBlob(
  to: Repository,
  blob: Descriptor,
  options: UploadOptions,
): Promise<Uploaded> {
  if (await to.hasBlob(blob.digest)) return 'exists';
  const upload = new Upload(to, blob, options);
  for (const source of options.sources.slice(0, SOURCES_MAX)) {
    if (source !== to.name && (await upload.mount(source))) return 'mounted';
  }
  await upload.send();
  return 'sent';
}

class Upload {
  readonly #to: Repository;
  readonly #blob: Descriptor;
  readonly #options: UploadOptions;
  /** Where the registry wants the next bytes; undefined before the first request and when it has forgotten it. */
  #location: URL | undefined;
  /** Bytes that the registry has. */
  #at = 0;
  #resumed = false;
  #chunkSize: number;
  /** OCI-Chunk-Min-Length */
  #leastChunk = 0;

  constructor(to: Repository, blob: Descriptor, options: UploadOptions) {
    this.#to = to;
    this.#blob = blob;
    this.#options = options;
    this.#chunkSize = options.chunkSize ?? Number.POSITIVE_INFINITY;
  }

  /** False if the registry did not, for whatever reason; an upload may have begun instead. */
  async mount(source: string): Promise<boolean> {
    const { access, name, registry, what } = this.#to;
    const query = `mount=${encodeURIComponent(this.#blob.digest)}&from=${encodeURIComponent(source)}`;
    const response = await registry.ask({
      ...access,
      scopes: [...access.scopes, `repository:${source}:pull`],
      method: 'POST',
      path: `${name}/blobs/uploads/?${query}`,
      expect: [201, 202, 400, 401, 403, 404, 405],
      what,
    });
    if (response.status === 202) this.#began(response);
    response.drop();
    return response.status === 201;
  }

  async send(): Promise<void> {
    const patience = new Patience(this.#to.what, this.#to.registry.trying());
    for (;;) {
      const before = this.#at;
      try {
        if (this.#location === undefined) await this.#begin();
        if (await this.#sendRest()) return;
      } catch (error) {
        if (this.#at > before) patience.refresh();
        if (!this.#canGoOn(error)) await patience.after(error);
        await this.#askWhere();
      }
    }
  }

  async #begin(): Promise<void> {
    const { name } = this.#to;
    const response = await this.#request('POST', `${name}/blobs/uploads/`, [202]);
    this.#began(response);
    response.drop();
  }

  #began(response: HttpResponse): void {
    this.#at = 0;
    this.#resumed = false;
    this.#moved(response);
    this.#leastChunk = Number(response.headers['oci-chunk-min-length'] ?? 0) || 0;
  }

  /** False if the upload is to be begun again. */
  async #sendRest(): Promise<boolean> {
    const { size, digest } = this.#blob;
    if (this.#at === 0 && size <= Math.min(SMALL, this.#chunkSize)) {
      return this.#end(await this.#put(this.#part(0, size)));
    }
    while (this.#at < size) {
      const length = Math.min(size - this.#at, Math.max(this.#chunkSize, this.#leastChunk));
      const headers = {
        'Content-Type': 'application/octet-stream',
        'Content-Range': `${this.#at}-${this.#at + length - 1}`,
      };
      const from = this.#at;
      const expect = [202, 404, 416];
      const response = await this.#request('PATCH', this.#place(), expect, headers, this.#part(from, length));
      if (response.status !== 202) {
        response.drop();
        throw new TransientError(this.#to.what, `the registry has lost its place in ${digest}`);
      }
      this.#moved(response);
      this.#at = endOf(response) ?? from + length;
      response.drop();
      if (this.#at <= from || this.#at > size) {
        throw new StoreError(
          'failed',
          this.#to.what,
          `the registry has ${this.#at} bytes of ${digest}, sent were ${from + length}`,
        );
      }
    }
    return this.#end(await this.#put(undefined));
  }

  #put(body: RequestBody | undefined): Promise<HttpResponse> {
    const at = this.#place().href;
    // The address is the registry's own: nothing in it is to be spelled otherwise.
    const url = new URL(
      `${at}${at.includes('?') ? '&' : '?'}digest=${encodeURIComponent(this.#blob.digest)}`,
    );
    return this.#request('PUT', url, [201, 204, 400], { 'Content-Type': 'application/octet-stream' }, body);
  }

  async #end(response: HttpResponse): Promise<boolean> {
    response.drop();
    if (response.status !== 400) return true;
    // Either the bytes here are damaged, or what the registry kept of a broken upload is.
    await this.#options.content.verify(this.#blob.digest);
    if (!this.#resumed) {
      const why = `the registry does not accept ${this.#blob.digest}: other bytes have come there (DIGEST_INVALID)`;
      throw new StoreError('failed', this.#to.what, why);
    }
    this.#location = undefined;
    return false;
  }

  /** True if the failure itself says how to go on. */
  #canGoOn(error: unknown): boolean {
    const isTooLarge = error instanceof RefusedError && error.status === 413;
    if (!isTooLarge || this.#chunkSize <= FALLBACK_CHUNK) return false;
    this.#chunkSize = FALLBACK_CHUNK;
    return true;
  }

  async #askWhere(): Promise<void> {
    if (this.#location === undefined) return;
    const response = await this.#to.registry.ask({
      ...this.#to.access,
      method: 'GET',
      path: this.#location,
      expect: [200, 202, 204, 400, 404, 405],
      what: this.#to.what,
    });
    if (response.status >= 400) this.#location = undefined;
    else {
      this.#moved(response);
      this.#at = endOf(response) ?? 0;
      this.#resumed = true;
    }
    response.drop();
  }

  #request(
    method: 'POST' | 'PUT' | 'PATCH',
    path: string | URL,
    expect: readonly number[],
    headers: Readonly<Record<string, string>> = {},
    body?: RequestBody,
  ): Promise<HttpResponse> {
    const { access, registry, what } = this.#to;
    return registry.send({
      ...access,
      method,
      path,
      expect,
      headers,
      what,
      ...(body === undefined ? {} : { body }),
    });
  }

  #part(from: number, length: number): RequestBody {
    const { content, onProgress } = this.#options;
    const { digest, size } = this.#blob;
    async function* stream(): AsyncGenerator<Uint8Array, void> {
      const reader = await content.open(digest);
      try {
        let left = length;
        for await (const chunk of reader.stream(from)) {
          if (left === 0) return;
          const part = chunk.subarray(0, Math.min(chunk.length, left));
          left -= part.length;
          yield part;
          onProgress?.({ phase: 'push', id: digest, done: from + length - left, total: size });
        }
      } finally {
        await reader.close();
      }
    }
    return { length, stream };
  }

  #place(): URL {
    if (this.#location === undefined) throw new Error('the upload has no place');
    return this.#location;
  }

  #moved(response: HttpResponse): void {
    const { location } = response.headers;
    if (location !== undefined) this.#location = this.#to.registry.locationOf(location, this.#to.what);
    else if (this.#location === undefined) {
      throw new StoreError(
        'failed',
        this.#to.what,
        'the registry does not say where to send a blob (no Location)',
      );
    }
  }
}

/** How many bytes an upload has, from the header Range, `0-<last>`; undefined if that is missing. */
function endOf(response: HttpResponse): number | undefined {
  const last = /^(?:bytes=)?0-(\d+)$/.exec(response.headers['range'] ?? '')?.[1];
  return last === undefined ? undefined : Number(last) + 1;
}
