// Logins at one registry. Nothing is sent until the registry asks for it (401): then Basic credentials, or a token
// from the server that the challenge names (distribution, `spec/auth/token`), which is kept for the requests that
// follow as long as it lasts. Passwords go to that server and, for Basic, to the registry, and nowhere else.

import { StoreError } from '../errors.js';
import { type Challenge, parseChallenges } from './challenge.js';
import { type Credentials, type Environment, type Found, findCredentials } from './credentials.js';
import { type Addressee, refused, unreachable } from './failure.js';
import { type HttpClient, type HttpResponse, textOf } from './http.js';
import { isLoopback } from './reference.js';

/** What a request is about. */
export interface Access {
  readonly repository: string;
  /** `repository:library/alpine:pull` */
  readonly scopes: readonly string[];
}

export interface AuthorityOptions {
  readonly host: string;
  readonly http: HttpClient;
  /** Whether the registry itself is spoken to in the clear. */
  readonly isPlain: boolean;
  readonly environment?: Environment | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Token {
  readonly text: string;
  /** Of performance.now(). */
  readonly endsMs: number;
}

/** What a token lasts if its server does not say (distribution, `spec/auth/token`). */
const DEFAULT_SECONDS = 60;
/** How long before its end it is not used any more. */
const SLACK_MS = 10_000;
const CLIENT_ID = 'mica';
/** Tokens are short; a body without end is no answer. */
const ANSWER_MAX = 256 * 1024;

export class Authority {
  readonly #options: AuthorityOptions;
  readonly #found = new Map<string, Promise<Found>>();
  readonly #tokens = new Map<string, Promise<Token>>();
  /** Scopes that the registry asked for beside those of the request. */
  readonly #asked = new Map<string, string>();
  #challenge: Challenge | undefined;

  constructor(options: AuthorityOptions) {
    this.#options = options;
  }

  /** The value of the header Authorization, as far as it is known what the registry wants; undefined: none. */
  async header(access: Access, what: string): Promise<string | undefined> {
    const challenge = this.#challenge;
    if (challenge === undefined) return undefined;
    const { credentials } = await this.#find(access.repository);
    if (challenge.scheme === 'basic') {
      return credentials?.kind === 'password' ? basic(credentials) : undefined;
    }
    if (credentials?.kind === 'bearer') return `Bearer ${credentials.token}`;
    return `Bearer ${await this.#token(challenge, access, credentials, what)}`;
  }

  /** Learns from a 401 to a request that had `sent` as its header. False if there is nothing new to try. */
  async challenged(response: HttpResponse, sent: string | undefined, access: Access): Promise<boolean> {
    const challenges = parseChallenges(response.headers['www-authenticate'] ?? '');
    const challenge =
      challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters['realm'] !== undefined) ??
      challenges.find(({ scheme }) => scheme === 'basic');
    if (challenge === undefined) return false;
    const known = this.#challenge;
    this.#challenge = challenge;
    const { credentials } = await this.#find(access.repository);
    if (challenge.scheme === 'basic') {
      return credentials?.kind === 'password' && sent !== basic(credentials);
    }
    if (credentials?.kind === 'bearer') return sent === undefined;
    const key = keyOf(access);
    const scope = challenge.parameters['scope'];
    if (scope !== undefined) this.#asked.set(key, scope);
    if (sent !== undefined && known !== undefined) this.#tokens.delete(key);
    return true;
  }

  async addressee(repository: string): Promise<Addressee> {
    const { credentials, problem } =
      this.#challenge === undefined ? ({} as Found) : await this.#find(repository);
    const { host } = this.#options;
    return { host, login: host, loggedIn: credentials !== undefined, credentialsProblem: problem };
  }

  #find(repository: string): Promise<Found> {
    const { host, environment } = this.#options;
    let found = this.#found.get(repository);
    if (found === undefined) {
      found = findCredentials(host, repository, environment);
      this.#found.set(repository, found);
    }
    return found;
  }

  async #token(
    challenge: Challenge,
    access: Access,
    credentials: Credentials | undefined,
    what: string,
  ): Promise<string> {
    const key = keyOf(access);
    for (;;) {
      const known = this.#tokens.get(key);
      // Several requests that begin together share one.
      const token = known ?? this.#fetch(challenge, access, credentials, what);
      if (known === undefined) this.#tokens.set(key, token);
      try {
        const { text, endsMs } = await token;
        if (performance.now() < endsMs || known === undefined) return text;
      } catch (error) {
        if (this.#tokens.get(key) === token) this.#tokens.delete(key);
        throw error;
      }
      if (this.#tokens.get(key) === token) this.#tokens.delete(key);
    }
  }

  async #fetch(
    { parameters }: Challenge,
    access: Access,
    credentials: Credentials | undefined,
    what: string,
  ): Promise<Token> {
    const realm = this.#realm(parameters['realm'] ?? '', what);
    const asked = this.#asked.get(keyOf(access))?.split(' ') ?? [];
    const scopes = [...new Set([...access.scopes, ...asked])].filter((scope) => scope !== '');
    const words = new URLSearchParams();
    if (parameters['service'] !== undefined) words.set('service', parameters['service']);
    const response =
      credentials?.kind === 'identity'
        ? await this.#exchange(realm, words, scopes, credentials.token, what)
        : await this.#ask(realm, words, scopes, credentials, what);
    if (response.status !== 200) {
      const text = await textOf(response);
      const host = `${realm.host}, which gives tokens for ${this.#options.host}`;
      const { loggedIn, credentialsProblem } = await this.addressee(access.repository);
      const refusal = { status: response.status, headers: response.headers, text };
      throw refused(what, refusal, { host, login: this.#options.host, loggedIn, credentialsProblem });
    }
    return tokenIn(await textOf(response, ANSWER_MAX), what, realm.host);
  }

  #ask(
    realm: URL,
    words: URLSearchParams,
    scopes: readonly string[],
    credentials: Credentials | undefined,
    what: string,
  ): Promise<HttpResponse> {
    const url = new URL(realm);
    const all = new URLSearchParams([...url.searchParams, ...words]);
    for (const scope of scopes) all.append('scope', scope);
    const login = credentials?.kind === 'password' ? credentials : undefined;
    if (login !== undefined) all.set('account', login.username);
    url.search = all.toString();
    const headers = login === undefined ? {} : { Authorization: basic(login) };
    return this.#send({ method: 'GET', url, headers }, what);
  }

  #exchange(
    realm: URL,
    words: URLSearchParams,
    scopes: readonly string[],
    token: string,
    what: string,
  ): Promise<HttpResponse> {
    words.set('grant_type', 'refresh_token');
    words.set('client_id', CLIENT_ID);
    words.set('refresh_token', token);
    words.set('scope', scopes.join(' '));
    const bytes = Buffer.from(words.toString());
    const body = {
      length: bytes.length,
      async *stream() {
        yield bytes;
      },
    };
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    return this.#send({ method: 'POST', url: realm, headers, body }, what);
  }

  async #send(request: Parameters<HttpClient['send']>[0], what: string): Promise<HttpResponse> {
    const { http, signal } = this.#options;
    try {
      return await http.send({ ...request, signal });
    } catch (error) {
      throw unreachable(what, error, request.url.host);
    }
  }

  /** A password that goes to the registry encrypted does not go to its token server in the clear. */
  #realm(text: string, what: string): URL {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:';
    const isClear = url?.protocol === 'http:' && !isLoopback(url.host);
    if (url !== undefined && isWeb && (!isClear || this.#options.isPlain)) return url;
    const why = `${this.#options.host} sends logins to ${JSON.stringify(text)}, which is no https address`;
    throw new StoreError('failed', what, why);
  }
}

function keyOf({ scopes }: Access): string {
  return [...scopes].sort().join(' ');
}

function basic({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function tokenIn(text: string, what: string, host: string): Token {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (error) {
    // The cause is left out: it quotes the answer.
    if (!(error instanceof SyntaxError)) throw error;
  }
  const fields = (typeof answer === 'object' && answer !== null ? answer : {}) as Record<string, unknown>;
  const token = fields['token'] ?? fields['access_token'];
  if (typeof token !== 'string' || token === '') {
    throw new StoreError('failed', what, `the token server ${host} answered without a token`);
  }
  const seconds = Number(fields['expires_in']);
  const lastsMs = (seconds > 0 ? seconds : DEFAULT_SECONDS) * 1000;
  return { text: token, endsMs: performance.now() + lastsMs - Math.min(SLACK_MS, lastsMs / 2) };
}
