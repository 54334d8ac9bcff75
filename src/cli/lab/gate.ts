// Who may ask the server of a lab, which does as it is told with real files: who has the address with its token, on a page
// of that very address. Others on this machine lack the token; pages of others lack it, too, and are refused by their
// origin, and by the host that they name where they have their own name lead here (DNS rebinding).

import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { fromText, toBytes } from '../../../fs/index.js';

/** Why a request is not answered, as HTTP says it. */
export class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export function newToken(): string {
  return randomBytes(24).toString('base64url');
}

/** The place below the token that a request asks for, without a slash in front. Refusal for who may not ask. */
export function placeAsked(request: IncomingMessage, token: string): string {
  const host = ownHost(request);
  const [, given = '', ...rest] = pathOf(request, host).split('/');
  if (!isSame(given, token)) throw new Refusal(403, 'the token of this lab is missing in the address');
  assertOrigin(request, host);
  return rest.join('/');
}

/** The name that a tab gave itself; '' for who is none. */
export function tabOf({ headers }: IncomingMessage): string {
  return String(headers['x-lab-tab'] ?? '').slice(0, 40);
}

/** The host that the request names, which must be this machine by number or by its own name. */
function ownHost({ headers: { host = '' }, socket }: IncomingMessage): string {
  const { localPort } = socket;
  if (host !== `127.0.0.1:${localPort}` && host !== `localhost:${localPort}`)
    throw new Refusal(403, 'another host');
  return host;
}

function pathOf({ url = '/' }: IncomingMessage, host: string): string {
  const base = `http://${host}`;
  if (!URL.canParse(url, base)) throw new Refusal(400, 'no address');
  return new URL(url, base).pathname;
}

/** Takes as long for each token of the right length. */
function isSame(given: string, token: string): boolean {
  const one = toBytes(fromText(given));
  const other = toBytes(token);
  return one.length === other.length && timingSafeEqual(one, other);
}

/** What says where it comes from must come from this very page. Scripts of others always say so. */
function assertOrigin({ headers, method }: IncomingMessage, host: string): void {
  const { origin } = headers;
  const site = headers['sec-fetch-site'];
  if (origin !== undefined && origin !== `http://${host}`) throw new Refusal(403, 'another origin');
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    throw new Refusal(403, 'another origin');
  if (method === 'POST' && origin === undefined && site === undefined) throw new Refusal(403, 'no origin');
}
