// The real registry (Debian's docker-registry) on a loopback port, plain or with TLS, open or with a login, and a
// proxy before it that breaks what a test wants broken.

import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface DockerRegistryOptions {
  /** A certificate with its key. */
  readonly tls?: Certificate;
  /** Name and password that it wants. */
  readonly login?: readonly [name: string, password: string];
}

const started: (() => Promise<void>)[] = [];

/** Ends everything that this file has started. */
export async function stopAll(): Promise<void> {
  for (const stop of started.splice(0)) await stop();
}

/** Starts a registry that keeps its things in `folder`. Returns its `host:port`. */
export async function startDockerRegistry(
  folder: string,
  options: DockerRegistryOptions = {},
): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const { tls, login } = options;
  let auth = '';
  if (login !== undefined) {
    writeFileSync(join(folder, 'htpasswd'), execFileSync('htpasswd', ['-Bbn', ...login]));
    auth = `auth: {htpasswd: {realm: test, path: ${join(folder, 'htpasswd')}}}\n`;
  }
  const pair = tls === undefined ? '' : `, tls: {certificate: ${tls.cert}, key: ${tls.key}}`;
  const config = `version: 0.1
log: {level: info, formatter: json, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: ${join(folder, 'data')}}, delete: {enabled: true}}
http: {addr: '127.0.0.1:0'${pair}}
${auth}`;
  writeFileSync(join(folder, 'config.yml'), config);
  // It is not to outlive a test that is killed.
  const command = ['--pdeathsig', 'KILL', '--', 'docker-registry', 'serve', join(folder, 'config.yml')];
  const child = spawn('setpriv', command, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  started.push(() => {
    child.kill('SIGTERM');
    return ended;
  });
  for await (const line of createInterface({ input: child.stderr })) {
    const port = /listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
    if (port === undefined) continue;
    child.stderr.resume();
    return `127.0.0.1:${port}`;
  }
  throw new Error('docker-registry did not start');
}

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A certificate for 127.0.0.1 and localhost that is its own authority. */
export function selfSigned(folder: string, name: string): Certificate {
  mkdirSync(folder, { recursive: true });
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  const words = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const names = [
    '-subj',
    `/CN=${name}`,
    '-addext',
    'subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:registry.test',
  ];
  execFileSync('openssl', [...words, '-days', '2', ...names, '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  });
  return { cert, key };
}

/** What becomes of one request. */
export interface Breaking {
  /** The connection is cut when the answer's body has this many bytes. */
  readonly answerAfter?: number;
  /** The connection is cut when this many bytes of the request's body have passed. */
  readonly bodyAfter?: number;
  /** The answer stops here and the connection stays. */
  readonly holdAfter?: number;
}

export interface BreakingProxy {
  readonly host: string;
  readonly asked: readonly { readonly line: string; readonly range: string | undefined }[];
  /** Asked for each request; undefined: nothing is broken. */
  breaking: (line: string) => Breaking | undefined;
}

/** A proxy before `target`. */
export async function startProxy(target: string): Promise<BreakingProxy> {
  const asked: { line: string; range: string | undefined }[] = [];
  const proxy = { host: '', asked, breaking: (_line: string): Breaking | undefined => undefined };
  const server = createServer((request, response) => {
    const line = `${request.method} ${request.url}`;
    asked.push({ line, range: request.headers.range });
    pass(target, request, response, proxy.breaking(line) ?? {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  started.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  proxy.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return proxy;
}

function pass(target: string, request: IncomingMessage, response: ServerResponse, breaking: Breaking): void {
  const [host, port] = target.split(':');
  const { method, url, headers } = request;
  const onward = httpRequest({ host, port, method, path: url, headers, agent: false });
  onward.on('error', () => response.destroy());
  onward.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 0, answer.headers);
    const { answerAfter, holdAfter } = breaking;
    copy(answer, response, answerAfter ?? holdAfter, () => {
      if (holdAfter === undefined) response.destroy();
    });
  });
  copy(request, onward, breaking.bodyAfter, () => {
    request.destroy();
    onward.destroy();
  });
}

/** Copies up to `most` bytes and calls `cut` then, or all and ends. */
function copy(
  from: IncomingMessage,
  to: NodeJS.WritableStream,
  most = Number.POSITIVE_INFINITY,
  cut: () => void,
): void {
  let left = most;
  from.on('error', () => undefined);
  from.on('data', (chunk: Buffer) => {
    if (left <= 0) return;
    const part = chunk.subarray(0, Math.min(left, chunk.length));
    left -= part.length;
    const isLast = left <= 0;
    to.write(part, () => {
      if (isLast) cut();
    });
  });
  from.on('end', () => {
    if (left > 0) to.end();
  });
}
