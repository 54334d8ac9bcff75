// Who may ask the server of a lab: whoever has the token, on a page of its own origin, by the name of this machine.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newToken } from '../../../src/cli/lab/gate.js';
import { type LabServer, serveLab } from '../../../src/cli/lab/server.js';
import { OneTab } from '../../../src/cli/lab/tabs.js';
import { MemoryBackend } from '../../../src/web/memory.js';
import { World } from '../../../src/web/world.js';

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, unknown>>;
}

describe('the server of a lab', () => {
  let page: string;
  let server: LabServer;
  let base: URL;

  beforeAll(async () => {
    page = mkdtempSync(join(tmpdir(), 'mica-lab-page-'));
    writeFileSync(join(page, 'index.html'), '<html data-engine="memory">');
    server = await serveLab({
      page,
      port: 0,
      token: newToken(),
      command: 'mica lab',
      tabs: new OneTab(new World(new MemoryBackend())),
      lesson: '{"title":"own"}',
    });
    base = new URL(server.url);
  });
  afterAll(async () => {
    await server.close();
    rmSync(page, { recursive: true });
  });

  /** `path`: as it goes over the wire. */
  const ask = (path: string, { method = 'GET', headers = {}, body }: Asked = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const { hostname, port } = base;
      const sent = request({ hostname, port, path, method, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text, headers: response.headers }),
        );
      });
      sent.on('error', reject);
      sent.end(body);
    });
  const json = { 'content-type': 'application/json' };
  const line = '{"line":"ls"}';
  const post = (headers: Readonly<Record<string, string>>, body = line) =>
    ask(`${base.pathname}api/run`, { method: 'POST', headers, body });

  it('shows the page to who has the token, and lets it load nothing from elsewhere', async () => {
    const { status, text, headers } = await ask(base.pathname);
    expect([status, text]).toEqual([200, '<html data-engine="memory" data-lesson="lesson.json">']);
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
    expect(headers).not.toHaveProperty('access-control-allow-origin');
    expect((await ask(`${base.pathname}lesson.json`)).text).toBe('{"title":"own"}');
  });

  it.each([
    ['nothing', () => '/'],
    ['no path at all', () => '*'],
    ['another token', () => `/${newToken()}/`],
    ['a token that is too short', () => base.pathname.slice(0, -2)],
    [
      'a token with one letter changed',
      () => base.pathname.replace(/.\/$/, (end) => (end === 'A/' ? 'B/' : 'A/')),
    ],
    ['the token and more', () => `${base.pathname.slice(0, -1)}x/`],
    ['the token further on', () => `/x${base.pathname}`],
    ['the way out', () => `${base.pathname}../../etc/passwd`],
    ['the way out, written otherwise', () => `${base.pathname}%2e%2e/%2e%2e/etc/passwd`],
  ])('refuses who asks for %s', async (_, path) => {
    expect((await ask(path())).status).toBe(403);
  });

  it.each(['server.js', 'index.html/x', '..%2findex.html', 'lab.js.map', 'constructor'])(
    'has no file %s',
    async (name) => {
      expect((await ask(base.pathname + name)).status).toBe(404);
    },
  );

  it.each([
    ['another name that leads here', () => `evil.example:${base.port}`],
    ['another name without a port', () => 'evil.example'],
    ['this machine at another port', () => '127.0.0.1:1'],
    ['this machine without a port', () => 'localhost'],
    ['a name that begins with ours', () => `127.0.0.1.evil.example:${base.port}`],
    ['every address', () => `0.0.0.0:${base.port}`],
  ])('refuses who calls it %s', async (_, host) => {
    expect((await ask(base.pathname, { headers: { host: host() } })).status).toBe(403);
    expect((await post({ ...json, host: host(), origin: `http://${host()}` })).status).toBe(403);
  });

  it('takes an address with a host in it for what the Host line says', async () => {
    const headers = { host: 'evil.example' };
    expect((await ask(server.url, { headers })).status).toBe(403);
    expect((await ask(`http://evil.example${base.pathname}`)).status).toBe(200);
    expect((await ask('http://')).status).toBeGreaterThanOrEqual(400);
  });

  it.each([
    ['of another origin', { origin: 'http://evil.example' }],
    ['of another port', { origin: 'http://127.0.0.1:1' }],
    ['over TLS', { origin: 'https://127.0.0.1' }],
    ['of no origin', { origin: 'null' }],
    ['that says another site', { 'sec-fetch-site': 'cross-site' }],
    ['that says another place of this site', { 'sec-fetch-site': 'same-site' }],
  ])('refuses a page %s, also to look', async (_, headers) => {
    expect((await ask(base.pathname, { headers })).status).toBe(403);
    expect((await post({ ...json, ...headers })).status).toBe(403);
    expect(
      (await ask(`${base.pathname}api/events`, { headers: { ...headers, 'x-lab-tab': '1' } })).status,
    ).toBe(403);
  });

  it('wants to be told where a question comes from, and takes it as JSON alone', async () => {
    const { origin } = base;
    expect((await post(json)).status).toBe(403);
    expect((await post({ origin, 'content-type': 'text/plain' })).status).toBe(415);
    expect((await post({ ...json, origin }, 'ls')).status).toBe(400);
    expect((await post({ ...json, origin }, 'null')).status).toBe(400);
    expect((await post({ ...json, origin }, '{"line":1}')).status).toBe(400);
    expect((await ask(`${base.pathname}api/run`)).status).toBe(405);
    expect((await ask(`${base.pathname}api/events`)).status).toBe(400);
    expect((await ask(base.pathname, { method: 'PUT' })).status).toBe(405);
  });

  it.each([
    ['layers: it is missing', {}],
    ['layers: it is no list from the bottom up', { layers: 3 }],
    ['layers[0]: it is no JSON object', { layers: [null] }],
    ['layers[0].files: a: no file is written so', { layers: [{ name: 'base', files: { a: {} } }] }],
  ])('begins with no layers that are none: %s', async (why, setup) => {
    const headers = { ...json, origin: base.origin };
    const asked = { method: 'POST', headers, body: JSON.stringify(setup) };
    const { text } = await ask(`${base.pathname}api/load`, asked);
    expect(JSON.parse(text)).toEqual({ error: `cannot begin so: ${why}` });
  });

  it('says who has the port, and what else to do', async () => {
    const { port } = base;
    const again = serveLab({ page, port: Number(port), token: newToken(), command: '' });
    await expect(again).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: `cannot listen on 127.0.0.1:${port}: another program listens there`,
      hint: 'give another --port, or none for any that is free',
    });
  });
});
