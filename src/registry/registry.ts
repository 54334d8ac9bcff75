// One registry: where it answers, and requests to it with logins and redirects looked after. Authorization is sent
// to the registry itself and never to the host of a redirect or of an upload that lies elsewhere.

import { StoreError } from '../errors.js';
import { assertGoesOn } from '../images/failure.js';
import { type Access, Authority } from './authority.js';
import type { Environment } from './credentials.js';
import { refused, speaksNoTls, unreachable } from './failure.js';
import { HttpClient, type HttpRequest, type HttpResponse, textOf } from './http.js';
import { apiHost, isLoopback } from './reference.js';
import { persistently, RETRIES, type RetryPolicy, type Trying } from './retry.js';
import { trustFor } from './trust.js';

export interface RegistryOptions {
  /** No TLS at all. */
  readonly plainHttp?: boolean;
  /** TLS with any certificate. */
  readonly insecure?: boolean;
  /** A file of authorities that are trusted beside the system's. */
  readonly ca?: string;
  readonly retries?: RetryPolicy;
  /** When a connection is given up on which nothing moves. */
  readonly idleTimeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Told, in words, of every failure after which it is tried again. */
  readonly onRetry?: (text: string) => void;
  /** Default: that of the process. */
  readonly environment?: Environment;
}

export interface RegistryRequest extends Access, Pick<HttpRequest, 'method' | 'headers' | 'body'> {
  /** Below `/v2/`, or a whole address that the registry gave. */
  readonly path: string | URL;
  /** Any other status is refused. */
  readonly expect: readonly number[];
  /** Begins the errors. */
  readonly what: string;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const REDIRECTS_MAX = 10;
/** One for a login that is not known yet, one for a token that ended. */
const LOGINS_MAX = 2;
const USER_AGENT = 'mica';

export class Registry {
  /** As it stands in names. */
  readonly host: string;
  readonly #base: URL;
  readonly #http: HttpClient;
  readonly #authority: Authority;
  readonly #options: RegistryOptions;

  private constructor(host: string, base: URL, http: HttpClient, options: RegistryOptions) {
    this.host = host;
    this.#base = base;
    this.#http = http;
    this.#options = options;
    const { environment, signal } = options;
    this.#authority = new Authority({ host, http, environment, signal, isPlain: base.protocol === 'http:' });
  }

  /**
   * Finds out how to reach `host`. A registry on a loopback address needs neither TLS nor a certificate that can be
   * trusted (as for Docker), unless `ca` says what to trust: TLS is tried, then plain HTTP.
   */
  static async open(host: string, what: string, options: RegistryOptions = {}): Promise<Registry> {
    const { plainHttp = false, insecure = false, ca, environment } = options;
    const lenient = !plainHttp && !insecure && ca === undefined && isLoopback(host);
    const http = new HttpClient({
      verify: !insecure && !lenient,
      trust: () => trustFor(host, ca, environment),
      environment,
      ...(options.idleTimeoutMs === undefined ? {} : { idleTimeoutMs: options.idleTimeoutMs }),
    });
    const secure = new URL(`https://${apiHost(host)}/v2/`);
    const plain = new URL(`http://${apiHost(host)}/v2/`);
    const inTheClear = plainHttp || (lenient && !(await speaksTls(http, secure, what, options)));
    return new Registry(host, inTheClear ? plain : secure, http, options);
  }

  close(): void {
    this.#http.close();
  }

  /** How failed requests are tried again. */
  trying(): Trying {
    const { retries = RETRIES, signal, onRetry } = this.#options;
    return {
      policy: retries,
      signal,
      onRetry: (error, waitMs) => onRetry?.(`${error.why}; trying again in ${(waitMs / 1000).toFixed(1)} s`),
    };
  }

  /** As `send`, and again after failures that pass. Only for what may be done twice. */
  ask(request: RegistryRequest): Promise<HttpResponse> {
    return persistently(request.what, this.trying(), () => this.send(request));
  }

  /**
   * One request and its answer. not-found for 404, unsupported, failed; TransientError for what may pass; canceled
   * by the signal.
   */
  async send(request: RegistryRequest): Promise<HttpResponse> {
    const { path, what, expect } = request;
    const url = typeof path === 'string' ? new URL(path, this.#base) : path;
    for (let logins = 0; ; logins++) {
      const sent = await this.#authority.header(request, what);
      const { response, at } = await this.#follow(url, sent, request);
      if (expect.includes(response.status)) return response;
      const mayLogIn = response.status === 401 && logins < LOGINS_MAX && at.origin === this.#base.origin;
      if (mayLogIn && (await this.#authority.challenged(response, sent, request))) {
        response.drop();
        continue;
      }
      const text = request.method === 'HEAD' ? '' : await this.#bodyText(response, request);
      const { status, headers } = response;
      throw refused(what, { status, headers, text }, await this.#addressee(request, at));
    }
  }

  /** Any address, without a login: where a layer lies that registries do not keep. */
  async fetchElsewhere(
    url: URL,
    what: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<HttpResponse> {
    const request = { method: 'GET', headers, what } as const;
    const { response, at } = await this.#follow(url, undefined, request);
    if (response.status === 200 || response.status === 206) return response;
    const text = await this.#bodyText(response, request);
    const { status } = response;
    throw refused(
      what,
      { status, headers: response.headers, text },
      { host: at.host, login: this.host, loggedIn: true },
    );
  }

  /** Where a header Location leads. A proxy in front that ends TLS may let the registry forget it. */
  locationOf(location: string, what: string): URL {
    const base = this.#base;
    if (!URL.canParse(location, base.href)) {
      throw new StoreError(
        'failed',
        what,
        `${this.host} leads to ${JSON.stringify(location)}, which is no address`,
      );
    }
    const url = new URL(location, base);
    if (url.protocol === 'http:' && base.protocol === 'https:' && url.host === base.host)
      url.protocol = 'https:';
    return url;
  }

  /** An error that ended a body halfway, as it is thrown to others. */
  broken(what: string, error: unknown): unknown {
    assertGoesOn(this.#options.signal, what);
    return error instanceof StoreError ? error : unreachable(what, error, this.host);
  }

  async #follow(
    first: URL,
    authorization: string | undefined,
    request: Pick<RegistryRequest, 'method' | 'headers' | 'body' | 'what'>,
  ): Promise<{ response: HttpResponse; at: URL }> {
    const { what, headers = {}, body } = request;
    const { signal } = this.#options;
    let { method } = request;
    let url = first;
    for (let hops = 0; hops <= REDIRECTS_MAX; hops++) {
      const login = authorization !== undefined && url.origin === this.#base.origin;
      let response: HttpResponse;
      try {
        response = await this.#http.send({
          method,
          url,
          headers: {
            'User-Agent': USER_AGENT,
            ...headers,
            ...(login ? { Authorization: authorization } : {}),
          },
          ...(body === undefined || method === 'GET' ? {} : { body }),
          signal,
        });
      } catch (error) {
        assertGoesOn(signal, what);
        throw error instanceof StoreError ? error : unreachable(what, error, url.host);
      }
      const { location } = response.headers;
      if (!REDIRECTS.has(response.status) || location === undefined) return { response, at: url };
      response.drop();
      url = this.#redirected(url, location, what);
      if (response.status === 303 && method !== 'HEAD') method = 'GET';
    }
    throw new StoreError('failed', what, `${first.host} redirects more than ${REDIRECTS_MAX} times`);
  }

  #redirected(from: URL, location: string, what: string): URL {
    const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
    if (to?.protocol === 'https:') return to;
    if (to?.protocol === 'http:' && (from.protocol === 'http:' || this.#options.insecure)) return to;
    throw new StoreError(
      'failed',
      what,
      `${from.host} redirects to ${to?.origin ?? 'no address'}, which is not encrypted`,
      {
        hint: '--insecure allows it',
      },
    );
  }

  async #addressee(request: RegistryRequest, at: URL) {
    if (at.origin !== this.#base.origin) return { host: at.host, login: this.host, loggedIn: true };
    return this.#authority.addressee(request.repository);
  }

  async #bodyText(response: HttpResponse, { what }: { readonly what: string }): Promise<string> {
    try {
      return await textOf(response);
    } catch (error) {
      throw this.broken(what, error);
    }
  }
}

/** False if the host answers, and not in TLS. */
async function speaksTls(
  http: HttpClient,
  url: URL,
  what: string,
  { signal }: RegistryOptions,
): Promise<boolean> {
  try {
    (await http.send({ method: 'HEAD', url, signal })).drop();
    return true;
  } catch (error) {
    assertGoesOn(signal, what);
    if (speaksNoTls(error) || wasCut(error)) return false;
    throw unreachable(what, error, url.host);
  }
}

/** Some servers hang up on what they do not understand. */
function wasCut(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNRESET';
}
