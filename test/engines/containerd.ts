// Debian's containerd, with root, state and sockets in a folder of the test's own. It does not outlive the test; what it
// left mounted, and the shims of containers that a failed test left behind, go with it.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Need } from '../requires.js';
import { type Done, runProgram, tryProgram } from './run-program.js';

/** For `describeWith`. */
export const CONTAINERD_NEEDS: readonly Need[] = ['root', 'overlay', 'program:containerd', 'program:ctr'];

export interface ContainerdOptions {
  /** Proxy plugins by name: the socket need not be there yet. One of content takes the place of its own. */
  readonly proxies?: Readonly<
    Record<string, { readonly type: 'snapshot' | 'content'; readonly address: string }>
  >;
  /** False: it collects only when it is asked to (`--sync`), so that a test may make what nothing refers to. Default true. */
  readonly collects?: boolean;
  /** Whether namespaces may take over each other's blobs without sending their bytes; default: they may. */
  readonly sharing?: 'shared' | 'isolated';
  /** With its plugin for Kubernetes, which it has no use for otherwise. */
  readonly kubernetes?: boolean;
  /** Further lines of its configuration (TOML, version 2), beginning with a table. */
  readonly config?: string;
}

export interface Containerd {
  /** Of its socket. */
  readonly address: string;
  /** Where it keeps blobs and snapshots. */
  readonly root: string;
  readonly log: string;
  /** Runs ctr to its end. */
  tryCtr(namespace: string, ...words: string[]): Promise<Done>;
  /** Runs ctr, which must succeed; returns what it printed. */
  ctr(namespace: string, ...words: string[]): Promise<string>;
  /** Ends it and starts it again over the same root, with the options changed as given. */
  restart(options?: ContainerdOptions): Promise<void>;
  /** Ends it. A second call is harmless. */
  stop(): Promise<void>;
}

/** Starts containerd in `folder` (absolute, and short: it holds sockets) and waits until it serves. */
export async function startContainerd(folder: string, options: ContainerdOptions = {}): Promise<Containerd> {
  mkdirSync(folder, { recursive: true });
  const address = join(folder, 'c.sock');
  const log = join(folder, 'log');
  let current = options;
  let end = await launch(folder, address, log, current);

  const ctrWords = (namespace: string, words: readonly string[]) => [
    ...['--address', address, '--namespace', namespace],
    ...words,
  ];
  return {
    address,
    root: join(folder, 'root'),
    log,
    tryCtr: (namespace, ...words) => tryProgram('ctr', ctrWords(namespace, words)),
    ctr: (namespace, ...words) => runProgram('ctr', ctrWords(namespace, words)),
    restart: async (changed = {}) => {
      await end();
      current = { ...current, ...changed };
      end = await launch(folder, address, log, current);
    },
    stop: async () => {
      await end();
      endShims(address);
      unmountBelow(folder);
    },
  };
}

/** Ends what `startContainerd` began, and removes its folder. */
export async function removeContainerd(containerd: Containerd | undefined, folder: string): Promise<void> {
  await containerd?.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** Returns what ends it. */
async function launch(
  folder: string,
  address: string,
  log: string,
  options: ContainerdOptions,
): Promise<() => Promise<void>> {
  const config = join(folder, 'config.toml');
  writeFileSync(config, configText(folder, address, options));
  // It is not to outlive a test that is killed.
  const words = ['--pdeathsig', 'KILL', '--', 'containerd', '--config', config, '--log-level', 'info'];
  const child = spawn('setpriv', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(child, 'exit');
  const lines: string[] = [];
  const isUp = await new Promise<boolean>((resolve) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      lines.push(line);
      writeFileSync(log, `${line}\n`, { flag: 'a' });
      if (line.includes('containerd successfully booted')) resolve(true);
    });
    void exited.then(() => resolve(false));
  });
  if (!isUp) throw new Error(`containerd did not start: ${lines.slice(-3).join('\n')}`);
  return async () => {
    child.kill('SIGTERM');
    await exited;
  };
}

function configText(folder: string, address: string, options: ContainerdOptions): string {
  const { proxies = {}, collects = true, sharing = 'shared', kubernetes = false, config = '' } = options;
  const off = [
    ...(kubernetes ? [] : ['grpc.v1.cri']),
    'snapshotter.v1.btrfs',
    'snapshotter.v1.zfs',
    'snapshotter.v1.aufs',
  ];
  const blobs = Object.values(proxies).some(({ type }) => type === 'content') ? ['content.v1.content'] : [];
  const disabled = [...off, 'snapshotter.v1.devmapper', ...blobs].map((name) => `"io.containerd.${name}"`);
  const plugins = Object.entries(proxies).map(
    ([name, proxy]) => `[proxy_plugins.${name}]\n  type = "${proxy.type}"\n  address = "${proxy.address}"\n`,
  );
  return `version = 2
root = "${join(folder, 'root')}"
state = "${join(folder, 'state')}"
disabled_plugins = [${disabled.join(', ')}]
[grpc]
  address = "${address}"
[ttrpc]
  address = "${address}.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "${join(folder, 'opt')}"
[plugins."io.containerd.metadata.v1.bolt"]
  content_sharing_policy = "${sharing}"
${collects ? '' : '[plugins."io.containerd.gc.v1.scheduler"]\n  mutation_threshold = 0\n  startup_delay = "24h"\n'}
${plugins.join('')}${config}`;
}

/** Each container has a shim of its own, which lives on without containerd and names its socket on its command line. */
function endShims(address: string): void {
  for (const name of readdirSync('/proc')) {
    const file = `/proc/${name}/cmdline`;
    if (!/^\d+$/.test(name) || !existsSync(file)) continue;
    const words = read(file).split('\0');
    if (words[0]?.includes('containerd-shim') && words.includes(address))
      process.kill(Number(name), 'SIGKILL');
  }
}

/** Lazily, the last first. */
export function unmountBelow(folder: string): void {
  const points = read('/proc/self/mountinfo')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${folder}/`));
  for (const point of points.reverse()) spawnSync('umount', ['-l', point]);
}

/** '' of a process that has just ended. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}
