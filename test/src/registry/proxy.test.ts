import { request as httpRequest } from 'node:http';
import { expect, it } from 'vitest';
import { proxyFor } from '../../../src/registry/proxy.js';
import { pullImage } from '../../../src/registry/pull.js';
import { buildImage, file, layerTar } from '../../fixtures/oci.js';
import { FakeRegistry, startServer } from '../../fixtures/registry.js';
import { memStore } from '../../fixtures/store.js';

const proxies = { HTTP_PROXY: 'http://plain:1', HTTPS_PROXY: 'secure:2' };
const used = (url: string, more: Record<string, string> = {}) =>
  proxyFor(new URL(url), { ...proxies, ...more })?.href;

it('takes the proxy of the scheme, in small letters before large', () => {
  expect(used('http://ex.io/')).toBe('http://plain:1/');
  expect(used('https://ex.io/')).toBe('http://secure:2/');
  expect(used('https://ex.io/', { https_proxy: 'https://other' })).toBe('https://other/');
  expect(proxyFor(new URL('https://ex.io/'), {})).toBeUndefined();
});

it('takes none for this machine', () => {
  for (const host of ['localhost', '127.0.0.1:5000', '[::1]'])
    expect(used(`http://${host}/`)).toBeUndefined();
});

it.each([
  ['ex.io', 'ex.io', true],
  ['ex.io', 'a.ex.io', true],
  ['ex.io', 'notex.io', false],
  ['.ex.io', 'a.ex.io', true],
  ['.ex.io', 'ex.io', false],
  ['*.ex.io', 'a.ex.io', true],
  ['*', 'any.io', true],
  ['a.io, EX.io', 'ex.io', true],
  ['ex.io:443', 'ex.io', true],
  ['ex.io:5000', 'ex.io', false],
  ['10.0.0.0/8', '10.1.2.3', true],
  ['10.0.0.0/8', '11.1.2.3', false],
  ['10.1.2.3', '10.1.2.3', true],
  ['[fd00::1]:443', '[fd00::1]', true],
  ['fd00::/16', '[fd00::1]', true],
  ['10.0.0.0/99', '10.1.2.3', false],
  ['', 'ex.io', false],
])('with NO_PROXY=%s, is %s left out: %s', (list, host, isOut) => {
  expect(used(`https://${host}/`, { NO_PROXY: list }) === undefined).toBe(isOut);
});

it('refuses what is no proxy, without showing it', () => {
  expect(() => used('https://ex.io/', { https_proxy: 'socks5://me:secret@host' })).toThrowError(
    expect.objectContaining({ kind: 'invalid-argument', message: expect.not.stringContaining('secret') }),
  );
});

it('pulls through a proxy that wants a name', async () => {
  const image = buildImage([layerTar([file('a', 'one')])]);
  const registry = await FakeRegistry.start();
  registry.add(image, 'app', '1');
  const seen: string[] = [];
  const proxy = await startServer((request, response) => {
    seen.push(`${request.headers['proxy-authorization']} ${request.headers.host} ${request.method}`);
    const { pathname } = new URL(request.url ?? '');
    const [host, port] = registry.host.split(':');
    httpRequest({ host, port, path: pathname, method: request.method, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(response);
    }).end();
  });
  const store = memStore();
  await pullImage(store, 'registry.test/app:1', {
    unpack: false,
    plainHttp: true,
    environment: { http_proxy: `http://me:p%40ss@${proxy.host}` },
  });
  expect(seen[0]).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')} registry.test HEAD`);
  expect(store.images.get('registry.test/app:1')?.target).toEqual(image.descriptor);
});
