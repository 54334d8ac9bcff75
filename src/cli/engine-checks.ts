// The checks of `mica doctor` on the engines that are installed here: whether they are set up to use this program. What is
// not installed is not spoken of.

import { statSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, isAbsolute, join } from 'node:path';
import type { Check } from './checks.js';
import { CONTAINERD_CONFIG, proxyPluginsIn } from './containerd-config.js';
import { podmanCheck, podmanPlaces } from './podman-check.js';

/** Who may run a file. */
const ANYBODY = 0o111;
/** How long a socket may take to be connected to. */
const CONNECT_MS = 1000;

/** As this user sees them; `config` is containerd's, of which root alone is told: nobody else could mend it. */
export async function engineChecks(config: string = CONTAINERD_CONFIG): Promise<readonly Check[]> {
  if (process.platform !== 'linux') return [];
  return [
    ...(process.getuid?.() === 0 && isProgram('containerd') ? [await containerdCheck(config)] : []),
    ...(isProgram('podman') || isProgram('buildah') ? [podmanCheck(podmanPlaces(), isProgram)] : []),
  ];
}

/** `has` tells whether a program is there for a daemon of root. */
export async function containerdCheck(
  config: string,
  has: (program: string) => boolean = isProgram,
): Promise<Check> {
  const check = 'engine containerd';
  const paste = `mica serve --print-config containerd, into ${config}`;
  let plugins: ReturnType<typeof proxyPluginsIn>;
  try {
    plugins = proxyPluginsIn(config);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { check, ok: false, why, fix: 'ask again as root' };
  }
  if (plugins === undefined) return { check, ok: false, why: `there is no ${config}`, fix: paste };
  const snapshotters = plugins.filter(({ type }) => type === 'snapshot');
  if (snapshotters.length === 0) {
    return { check, ok: false, why: `no snapshotter behind a socket in ${config}`, fix: paste };
  }
  for (const { name, address } of snapshotters) {
    const why = await whyNoAnswer(address);
    if (why !== undefined) {
      const fix = `systemctl start mica.socket, or mica serve --address ${address}`;
      return { check, ok: false, why: `snapshotter ${name}: ${why}`, fix };
    }
  }
  const names = snapshotters.map(({ name, address }) => `${name} at ${address}`);
  // What a server hands out as binds, as it does where nothing else was said, needs no program of containerd's.
  const without = has('mount.fuse3')
    ? ''
    : '; for mica serve --mounts program there is no mount.fuse3 (apt install fuse3)';
  return { check, ok: true, why: `snapshotter ${names.join(', ')}${without}`, fix: '' };
}

/** Why nobody accepts connections at a socket; undefined if somebody does. */
function whyNoAnswer(address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    if (address === '') return resolve('it names no socket');
    const socket = connect({ path: address });
    const end = (why: string | undefined) => {
      socket.destroy();
      resolve(why);
    };
    socket.setTimeout(CONNECT_MS, () => end(`${address} does not answer`));
    socket.once('connect', () => end(undefined));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      end(`nobody serves at ${address} (${error.code})`),
    );
  });
}

/** As a daemon finds it, whose PATH has the folders of root; or by its path. */
function isProgram(name: string): boolean {
  if (isAbsolute(name)) return isExecutable(name);
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return folders.some((folder) => folder !== '' && isExecutable(join(folder, name)));
}

function isExecutable(path: string): boolean {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    return found?.isFile() === true && (found.mode & ANYBODY) !== 0;
  } catch {
    // A folder of PATH that this user may not enter, or no folder at all, has no program for him.
    return false;
  }
}
