// Logins as registries ask for them: a token server beside the registry, and Basic.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { pullImage } from '../../../src/registry/pull.js';
import { buildImage, file, layerTar, tempFolder } from '../../fixtures/oci.js';
import { FakeRegistry, refuse, startServer } from '../../fixtures/registry.js';
import { memStore } from '../../fixtures/store.js';

const image = buildImage([layerTar([file('a', 'one')]), layerTar([file('b', 'two')])]);

interface TokenRequest {
  readonly method: string;
  readonly query: URLSearchParams;
  readonly form: URLSearchParams;
  readonly authorization: string | undefined;
}

let registry: FakeRegistry;
let name: string;
let folder: string;
/** What the token server was asked. */
let asked: TokenRequest[];
/** What it answers to its nth request: JSON, or a status. */
let answer: (request: TokenRequest, nth: number) => object | number;
let tokenHost: string;

beforeEach(async () => {
  folder = tempFolder();
  registry = await FakeRegistry.start();
  name = registry.add(image, 'team/app', '1');
  asked = [];
  answer = (_, nth) => ({ token: `t${nth}` });
  const tokens = await startServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const got = {
      method: request.method ?? '',
      query: new URL(request.url ?? '', 'http://x').searchParams,
      form: new URLSearchParams(Buffer.concat(chunks).toString()),
      authorization: request.headers.authorization,
    };
    asked.push(got);
    const token = answer(got, asked.length);
    if (typeof token === 'number')
      return refuse(response, token, token === 401 ? 'UNAUTHORIZED' : 'UNAVAILABLE');
    response.end(JSON.stringify(token));
  });
  tokenHost = tokens.host;
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** The registry wants a token for which `good` holds. */
function wantToken(good: (token: string) => boolean, realm = `http://${tokenHost}/token`): void {
  const challenge = `Bearer realm="${realm}",service="reg",scope="repository:team/app:pull"`;
  registry.faults.push(({ headers }, response) => {
    if (good((headers.authorization ?? '').replace(/^Bearer /, ''))) return false;
    refuse(response, 401, 'UNAUTHORIZED', { 'WWW-Authenticate': challenge });
    return true;
  });
}

/** Credentials for the registry. */
function pull(login?: object) {
  const auth = join(folder, 'auth.json');
  writeFileSync(auth, JSON.stringify({ auths: login === undefined ? {} : { [registry.host]: login } }));
  return pullImage(memStore(), name, {
    unpack: false,
    plainHttp: true,
    environment: { REGISTRY_AUTH_FILE: auth },
    retries: { attempts: 2, firstMs: 1, longestMs: 10 },
  });
}

const login = { username: 'u', password: 'p' };
const basic = `Basic ${Buffer.from('u:p').toString('base64')}`;

it('gets a token without credentials, once for all requests', async () => {
  wantToken((token) => token === 't1');
  await pull();
  expect(asked).toHaveLength(1);
  expect(asked[0]).toMatchObject({ method: 'GET', authorization: undefined });
  expect(asked[0]?.query.get('service')).toBe('reg');
  expect(asked[0]?.query.getAll('scope')).toEqual(['repository:team/app:pull']);
});

it('sends name and password to the token server, and to nobody else', async () => {
  wantToken((token) => token === 't1');
  await pull(login);
  expect(asked[0]).toMatchObject({ authorization: basic });
  expect(asked[0]?.query.get('account')).toBe('u');
  expect(registry.asked.some(({ headers }) => headers.authorization?.startsWith('Basic'))).toBe(false);
});

it('exchanges an identity token', async () => {
  answer = () => ({ access_token: 'fresh', expires_in: 300 });
  wantToken((token) => token === 'fresh');
  await pull({ identitytoken: 'long-lived' });
  expect(asked[0]?.method).toBe('POST');
  expect(Object.fromEntries(asked[0]?.form ?? [])).toEqual({
    grant_type: 'refresh_token',
    client_id: 'mica',
    refresh_token: 'long-lived',
    service: 'reg',
    scope: 'repository:team/app:pull',
  });
});

it('gets a new token when the registry does not take the old one any more', async () => {
  let uses = 0;
  wantToken((token) => token === 't2' || (token === 't1' && ++uses <= 2));
  await pull();
  expect(asked).toHaveLength(2);
});

it('gets a new token when the old one has come to its end', async () => {
  answer = (_, nth) => ({ token: `t${nth}`, expires_in: 1e-9 });
  wantToken((token) => token.startsWith('t'));
  await pull();
  expect(asked.length).toBeGreaterThan(1);
});

it('sends a registry token as it is', async () => {
  wantToken((token) => token === 'ready');
  await pull({ registrytoken: 'ready' });
  expect(asked).toEqual([]);
});

it('answers Basic with name and password', async () => {
  registry.faults.push(({ headers }, response) => {
    if (headers.authorization === basic) return false;
    refuse(response, 401, 'UNAUTHORIZED', { 'WWW-Authenticate': 'Basic realm="reg"' });
    return true;
  });
  await pull(login);
  await expect(pull({ username: 'u', password: 'wrong' })).rejects.toMatchObject({
    kind: 'failed',
    hint: expect.stringMatching(/^the credentials for .* do not suffice/),
  });
  await expect(pull()).rejects.toMatchObject({
    why: expect.stringContaining('UNAUTHORIZED'),
    hint: expect.stringMatching(/^log in with podman login .* REGISTRY_AUTH_FILE$/),
  });
});

it('says it where the token server refuses', async () => {
  answer = () => 401;
  wantToken(() => false);
  await expect(pull(login)).rejects.toMatchObject({
    kind: 'failed',
    why: expect.stringContaining('UNAUTHORIZED'),
    hint: expect.stringContaining('do not suffice'),
  });
});

it('asks a token server again that is busy', async () => {
  answer = (_, nth) => (nth === 1 ? 503 : { token: 't' });
  wantToken((token) => token === 't');
  await pull();
  expect(asked).toHaveLength(2);
});

it('says it where the token server gives none', async () => {
  answer = () => ({});
  wantToken(() => false);
  await expect(pull()).rejects.toMatchObject({ why: expect.stringContaining('without a token') });
});

it('sends no password to a token server that is no web address', async () => {
  wantToken(() => false, 'file:///etc/passwd');
  await expect(pull(login)).rejects.toMatchObject({ why: expect.stringContaining('no https address') });
  expect(asked).toEqual([]);
});

it('never shows what is secret', async () => {
  answer = () => 401;
  wantToken(() => false);
  const error: unknown = await pull({ username: 'u', password: 'hush-hush' }).catch(
    (failure: unknown) => failure,
  );
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('hush-hush');
});
