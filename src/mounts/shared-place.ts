// Where the shared host of a process has its socket, its lock and its log: STATE/hosts, by a name that stands for all that
// the host must have in common with whoever asks it for a mount. Who sees other folders (mount namespace, root), counts
// other ids (user namespace), may do other things, or runs another version of this program finds another host, or none.

import { createHash } from 'node:crypto';
import { lstatSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { sys } from '../../fs/index.js';

export interface SharedPlace {
  readonly name: string;
  readonly socket: string;
  /** Held by flock(2) as long as the host lives; the socket may be left over from one that was killed. */
  readonly lock: string;
  /** What the host itself wrote to its standard error. */
  readonly log: string;
}

export function hostsFolder(state: string): string {
  return join(state, 'hosts');
}

export function sharedPlace(state: string, name = hostName()): SharedPlace {
  const path = join(hostsFolder(state), name);
  return { name, socket: `${path}.sock`, lock: `${path}.lock`, log: `${path}.log` };
}

/** Of this process, as it is now. */
function hostName(): string {
  const root = lstatSync('/', { bigint: true });
  const facts = [
    process.geteuid?.(),
    process.getegid?.(),
    process.getgroups?.(),
    String(sys.effectiveCapabilities()),
    // Numbers of processes are what requests name their askers by.
    ...['mnt', 'user', 'pid'].map((kind) => readlinkSync(`/proc/self/ns/${kind}`)),
    `${root.dev}:${root.ino}`,
    process.env['MICA_WITHOUT'] ?? '',
    process.execPath,
    process.version,
    ...program(),
  ];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16);
}

/** The program that runs: where it lies, its version, and when it was compiled, if it was here. */
function program(): readonly unknown[] {
  const description = new URL('../../../package.json', import.meta.url);
  const compiled = statSync(new URL('../../.tsbuildinfo', import.meta.url), { throwIfNoEntry: false });
  return [description.pathname, readFileSync(description, 'utf8'), compiled?.mtimeMs ?? 0];
}
