// One request and its answer, over node:http and node:https, because the fetch of Node takes neither authorities of
// its own nor a request body of a known length. Redirects, logins and further tries are for those above. Connections
// are kept for the next request; one on which nothing moves for a while is given up.

import {
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { createSecureContext, type SecureContextOptions } from 'node:tls';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  readonly signal?: AbortSignal | undefined;
}

/** Bytes of a known length, which can be sent again. */
export interface RequestBody {
  readonly length: number;
  stream(): AsyncIterable<Uint8Array>;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Read to its end, or left by `drop`. Throws if the connection ends before the body does. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Lets go of the rest of the body. */
  drop(): void;
}

export interface HttpOptions {
  /** False: any certificate will do. */
  readonly verify: boolean;
  /** Made when the first TLS connection is. */
  readonly trust: () => SecureContextOptions;
  readonly idleTimeoutMs?: number;
}

/** Long enough for a registry that looks into its storage before it answers. */
const IDLE_MS = 60_000;
/** What is read to keep a connection; more costs more than a new one. */
const DRAINED_MAX = 64 * 1024;

export class HttpClient {
  readonly #options: HttpOptions;
  readonly #plain = new HttpAgent({ keepAlive: true });
  #secure: HttpsAgent | undefined;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /** Resolves with the head of the answer, whatever its status. Rejects as Node does if there is none. */
  async send({ method, url, headers = {}, body, signal }: HttpRequest): Promise<HttpResponse> {
    signal?.throwIfAborted();
    const length = body?.length ?? (method === 'POST' || method === 'PUT' ? 0 : undefined);
    const options = {
      method,
      headers: { ...headers, ...(length === undefined ? {} : { 'Content-Length': String(length) }) },
      timeout: this.#options.idleTimeoutMs ?? IDLE_MS,
      ...(signal === undefined ? {} : { signal }),
    };
    const request =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...options, agent: this.#secureAgent() })
        : httpRequest(url, { ...options, agent: this.#plain });
    request.on('timeout', () => request.destroy(timedOut()));
    const answer = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve);
      request.once('error', reject);
    });
    // Errors that come after the answer are those of its body.
    request.on('error', () => undefined);
    if (body === undefined) request.end();
    else {
      // The answer may come before all is sent: then nobody wants the rest.
      const answered = answer.then(ignore, ignore);
      let over = false;
      void answered.then(() => {
        over = true;
      });
      try {
        for await (const chunk of body.stream()) {
          if (over) break;
          if (!request.write(chunk)) {
            await Promise.race([new Promise((resolve) => request.once('drain', resolve)), answered]);
          }
        }
      } catch (error) {
        request.destroy();
        await answered;
        throw error;
      }
      if (!over) request.end();
    }
    const message = await answer;
    if (!request.writableEnded) message.once('close', () => request.destroy());
    return responseOf(message, method === 'HEAD');
  }

  /** Ends the connections that wait for a next request. */
  close(): void {
    this.#plain.destroy();
    this.#secure?.destroy();
  }

  #secureAgent(): HttpsAgent {
    if (this.#secure === undefined) {
      const { verify, trust } = this.#options;
      // One for all connections: reading the authorities takes tens of milliseconds.
      const context = verify ? { secureContext: createSecureContext(trust()) } : {};
      this.#secure = new HttpsAgent({ keepAlive: true, rejectUnauthorized: verify, ...context });
    }
    return this.#secure;
  }
}

function responseOf(message: IncomingMessage, isHead: boolean): HttpResponse {
  return {
    status: message.statusCode ?? 0,
    headers: message.headers,
    body: message,
    drop() {
      message.on('error', () => undefined);
      const length = Number(message.headers['content-length'] ?? Number.NaN);
      if (isHead || length <= DRAINED_MAX) message.resume();
      else message.destroy();
    },
  };
}

function timedOut(): Error {
  return Object.assign(new Error('nothing came for too long'), { code: 'ETIMEDOUT' });
}

function ignore(): void {
  // Asked for by whoever waits for the answer itself.
}

/** The first `limit` bytes of a body as text, and lets go of the rest. */
export async function textOf(response: HttpResponse, limit = 16 * 1024): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= limit) break;
  }
  return Buffer.concat(chunks).subarray(0, limit).toString('utf8');
}
