// The failures of a registry, in words: what it answered becomes a kind, one line with the registry's own code, and
// a hint. What may be different a moment later (a broken connection, 429, 5xx) is a TransientError.

import type { IncomingHttpHeaders } from 'node:http';
import { type ErrorKind, StoreError, type StoreErrorOptions } from '../errors.js';

/** Worth another try. */
export class TransientError extends StoreError {
  /** What the registry asked for. */
  readonly retryAfterMs: number | undefined;

  constructor(
    what: string,
    why: string,
    options: StoreErrorOptions & { readonly retryAfterMs?: number | undefined } = {},
  ) {
    super('failed', what, why, options);
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** The registry says no, and means it. */
export class RefusedError extends StoreError {
  readonly status: number;

  constructor(kind: ErrorKind, what: string, why: string, status: number, options: StoreErrorOptions) {
    super(kind, what, why, options);
    this.status = status;
  }
}

/** An answer that is none of those that were expected; `text` is the beginning of its body. */
export interface Refusal {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Where a request went, for hints. */
export interface Addressee {
  /** `localhost:5000` */
  readonly host: string;
  /** The registry that one logs in to. */
  readonly login: string;
  /** Why no credentials were found, where that is not simply that there are none. */
  readonly credentialsProblem?: string | undefined;
  /** Whether credentials were sent. */
  readonly loggedIn: boolean;
}

/** In the words of registries, for answers that have none, such as all to HEAD. */
const MEANINGS: Readonly<Record<number, string>> = {
  401: 'UNAUTHORIZED: authentication required',
  403: 'DENIED: requested access to the resource is denied',
  404: 'not found',
  429: 'TOOMANYREQUESTS: too many requests',
};

/** What to throw for an answer. `what` begins the error. */
export function refused(what: string, refusal: Refusal, to: Addressee): StoreError {
  const { status } = refusal;
  const { codes, text } = errorsIn(refusal.text);
  const said = [codes.join(', '), text].filter((part) => part !== '').join(': ');
  const why = `${said || (MEANINGS[status] ?? 'refused')} (${to.host}, ${status})`;
  if (isTransientStatus(status)) {
    return new TransientError(what, why, { retryAfterMs: retryAfter(refusal.headers['retry-after']) });
  }
  const hint = hintFor(status, to);
  return new RefusedError(kindOf(status), what, why, status, hint === undefined ? {} : { hint });
}

function isTransientStatus(status: number): boolean {
  return (
    status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501 && status !== 505)
  );
}

function kindOf(status: number): ErrorKind {
  if (status === 404) return 'not-found';
  return status === 405 || status === 501 ? 'unsupported' : 'failed';
}

function hintFor(status: number, { login, loggedIn, credentialsProblem }: Addressee): string | undefined {
  if (status === 401 || status === 403) {
    if (credentialsProblem !== undefined) return credentialsProblem;
    return loggedIn
      ? `the credentials for ${login} do not suffice; log in with podman login ${login} or docker login ${login}`
      : `log in with podman login ${login} or docker login ${login}, or name a file of credentials in REGISTRY_AUTH_FILE`;
  }
  if (status === 404) return 'is the name right? Some registries say this of what needs a login, too';
  return undefined;
}

/** Milliseconds from a Retry-After header, which is a number of seconds or a date. */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^[0-9]+$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

interface Said {
  readonly codes: readonly string[];
  readonly text: string;
}

/** Shown to a person, so at most a line of it. */
const SHOWN_MAX = 200;

function errorsIn(body: string): Said {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { codes: [], text: body.startsWith('<') ? '' : oneLine(body) };
  }
  const list = isRecord(value) && Array.isArray(value['errors']) ? value['errors'].filter(isRecord) : [];
  const texts = list.map((error) => error['message']).filter((text) => typeof text === 'string');
  return {
    codes: list
      .map((error) => error['code'])
      .filter((code) => typeof code === 'string' && /^\w+$/.test(code)) as string[],
    text: oneLine(texts.join('; ')),
  };
}

function oneLine(text: string): string {
  const line = text.replace(/[\p{Cc}\s]+/gu, ' ').trim();
  return line.length > SHOWN_MAX ? `${line.slice(0, SHOWN_MAX)}…` : line;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** TLS failures that say that the other side is not trusted (names of OpenSSL's X509_V_ERR_* and Node's own). */
const UNTRUSTED = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_UNTRUSTED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** True if the other side does not speak TLS. */
export function speaksNoTls(error: unknown): boolean {
  const code = codeOf(error);
  return (
    code === 'EPROTO' || code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG'
  );
}

/** What to throw for a request that got no (whole) answer. */
export function unreachable(what: string, error: unknown, host: string): StoreError {
  const code = codeOf(error) ?? '';
  const cause = { cause: error };
  const message = error instanceof Error ? error.message : String(error);
  if (UNTRUSTED.has(code)) {
    return new StoreError('failed', what, `the certificate of ${host} is not trusted: x509: ${message}`, {
      ...cause,
      hint: '--ca FILE trusts the authority in FILE; --insecure looks at no certificate',
    });
  }
  if (speaksNoTls(error)) {
    return new StoreError('failed', what, `${host} does not speak TLS`, { ...cause, hint: '--plain-http' });
  }
  if (code === 'ENOTFOUND') return new StoreError('failed', what, `there is no host ${host}`, cause);
  if (code === 'ECONNREFUSED') {
    return new StoreError('failed', what, `nobody answers at ${host} (connection refused)`, cause);
  }
  const words: Readonly<Record<string, string>> = {
    ECONNRESET: 'the connection was cut',
    EPIPE: 'the connection was cut',
    ETIMEDOUT: 'no answer in time',
    EAI_AGAIN: 'the name of the host cannot be looked up now',
  };
  return new TransientError(what, `${host}: ${words[code] ?? message}`, cause);
}

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
