// One request and its answer, over node:http and node:https, because the fetch of Node takes neither authorities of
// its own nor a request body of a known length. Redirects, logins and further tries are for those above. Connections
// are kept for the next request; one on which nothing moves for a while is given up.

import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import {
  type ConnectionOptions,
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
} from 'node:tls';
import type { Environment } from './credentials.js';
import { proxyFor, proxyLogin, TunnelAgent } from './proxy.js';

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
  /** Of which proxies are read. */
  readonly environment?: Environment | undefined;
}

/** Long enough for a registry that looks into its storage before it answers. */
const IDLE_MS = 60_000;
/** What is read to keep a connection; more costs more than a new one. */
const DRAINED_MAX = 64 * 1024;

export class HttpClient {
  readonly #options: HttpOptions;
  readonly #plain = new HttpAgent({ keepAlive: true });
  /** By the address of the proxy, '' for none. */
  readonly #secure = new Map<string, HttpsAgent>();
  #context: SecureContext | undefined;

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
    const request = this.#begin(url, options);
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
    for (const agent of this.#secure.values()) agent.destroy();
  }

  #begin(url: URL, options: RequestOptions): ClientRequest {
    const proxy = proxyFor(url, this.#options.environment);
    if (url.protocol === 'https:') return httpsRequest(url, { ...options, agent: this.#secureAgent(proxy) });
    if (proxy === undefined) return httpRequest(url, { ...options, agent: this.#plain });
    // A proxy is given the whole address, and the host that it is for.
    const headers = { ...options.headers, Host: url.host, ...proxyLogin(proxy) };
    const open = proxy.protocol === 'https:' ? httpsRequest : httpRequest;
    return open(proxy, { ...options, headers, path: url.href, agent: false });
  }

  #secureAgent(proxy: URL | undefined): HttpsAgent {
    const key = proxy?.href ?? '';
    let agent = this.#secure.get(key);
    if (agent === undefined) {
      agent =
        proxy === undefined
          ? new HttpsAgent({ keepAlive: true, ...this.#tls() })
          : new TunnelAgent(proxy, this.#tls());
      this.#secure.set(key, agent);
    }
    return agent;
  }

  /** One for all connections: reading the authorities takes tens of milliseconds. */
  #tls(): ConnectionOptions {
    const { verify, trust } = this.#options;
    if (verify) this.#context ??= createSecureContext(trust());
    return {
      rejectUnauthorized: verify,
      ...(this.#context === undefined ? {} : { secureContext: this.#context }),
    };
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
