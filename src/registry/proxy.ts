// Proxies from the environment, as Go's programs take them (net/http, ProxyFromEnvironment): HTTPS_PROXY or HTTP_PROXY by
// the scheme of the address, but for the hosts of NO_PROXY and those on a loopback address.

import { request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { BlockList, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { StoreError } from '../errors.js';
import type { Environment } from './credentials.js';
import { isLoopback } from './reference.js';

/** The proxy for an address; undefined: none. invalid-argument for one that cannot be used. */
export function proxyFor(url: URL, environment: Environment = process.env): URL | undefined {
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const text = variable(environment, name);
  if (text === '' || isLoopback(url.host) || isExcluded(url, variable(environment, 'NO_PROXY')))
    return undefined;
  const address = /^[a-z0-9+.-]+:\/\//i.test(text) ? text : `http://${text}`;
  const proxy = URL.canParse(address) ? new URL(address) : undefined;
  if (proxy?.protocol === 'http:' || proxy?.protocol === 'https:') return proxy;
  // The value is left out: it may hold a password.
  throw new StoreError('invalid-argument', `cannot use ${name}`, 'it is no http or https address');
}

/** The header by which a proxy knows us; none if its address has no name. */
export function proxyLogin({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '') return {};
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'Proxy-Authorization': `Basic ${Buffer.from(login).toString('base64')}` };
}

function variable(environment: Environment, name: string): string {
  return environment[name.toLowerCase()] || environment[name] || '';
}

/** NO_PROXY: `*`, names, addresses and ranges of them, each with a port or not, parted by commas. */
function isExcluded(url: URL, list: string): boolean {
  const host = bare(url.hostname.toLowerCase());
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return list.split(',').some((text) => {
    const entry = text.trim().toLowerCase();
    const [, name = '', wanted] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(entry) ?? ['', entry];
    return entry !== '' && (wanted === undefined || wanted === port) && matches(host, bare(name));
  });
}

/** A name stands for what is below it, too; with a dot before it, for that alone. */
function matches(host: string, name: string): boolean {
  if (name === '*') return true;
  if (isIP(host) !== 0) return name === host || inRange(host, name);
  const suffix = name.replace(/^\*(?=\.)/, '');
  return suffix.startsWith('.') ? host.endsWith(suffix) : host === suffix || host.endsWith(`.${suffix}`);
}

function bare(name: string): string {
  return name.replace(/^\[|\]$/g, '');
}

function inRange(address: string, range: string): boolean {
  const [net = '', bits] = range.split('/');
  const family = isIP(net);
  if (bits === undefined || family === 0 || family !== isIP(address) || !/^\d{1,3}$/.test(bits)) return false;
  if (Number(bits) > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  const kind = family === 4 ? 'ipv4' : 'ipv6';
  list.addSubnet(net, Number(bits), kind);
  return list.check(address, kind);
}

/** Connections in TLS through a proxy, which is asked to pass bytes on (RFC 9110, CONNECT). */
export class TunnelAgent extends HttpsAgent {
  readonly #proxy: URL;
  readonly #tls: ConnectionOptions;

  constructor(proxy: URL, tls: ConnectionOptions) {
    super({ keepAlive: true });
    this.#proxy = proxy;
    this.#tls = tls;
  }

  override createConnection(
    options: ConnectionOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    const target = `${options.host}:${options.port}`;
    const done = callback as (error: Error | null, stream?: Duplex) => void;
    const open = this.#proxy.protocol === 'https:' ? httpsRequest : httpRequest;
    const asking = open(this.#proxy, {
      method: 'CONNECT',
      path: target,
      headers: { Host: target, ...proxyLogin(this.#proxy) },
      agent: false,
      timeout: options.timeout ?? 0,
    });
    asking.once('timeout', () => asking.destroy(new Error(`the proxy ${this.#proxy.host} does not answer`)));
    asking.once('connect', (answer: IncomingMessage, socket: Socket) => {
      if (answer.statusCode !== 200) {
        socket.destroy();
        return done(new Error(`the proxy ${this.#proxy.host} answered ${answer.statusCode}`));
      }
      const name = options.servername ?? options.host ?? '';
      done(
        null,
        connectTls({ ...this.#tls, socket, ...(isIP(name) === 0 ? { servername: name } : { host: name }) }),
      );
    });
    asking.once('error', (error) => done(error));
    asking.end();
    return undefined;
  }
}
