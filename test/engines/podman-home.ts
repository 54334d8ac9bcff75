// podman and buildah with mica-overlayfs for a mount program, in a scratch folder: as root, or rootless as the test user
// with subordinate ids. Storage, state and configuration lie there; what was left mounted, and the process that keeps
// podman's user namespace, go with it.

import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { podmanConfig, podmanStorage } from '../../src/cli/print-config.js';
import { top } from '../program.js';
import type { Need } from '../requires.js';

export type By = 'root' | 'a rootless user';

const USER = 'mica-user';
/** No place depends on the number where the environment names the folders. */
const ANY_USER = 1;

/** What tests of an engine need of the machine. */
export function engineNeeds(by: By): readonly Need[] {
  const rootless: readonly Need[] = by === 'root' ? [] : [USER, 'fuse for all', 'program:newuidmap'];
  return ['root', 'fuse', 'program:podman', 'program:buildah', 'program:runc', ...rootless];
}

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A storage of podman and buildah, and the programs on it. */
export class PodmanHome {
  readonly by: By;
  readonly base = mkdtempSync(join(tmpdir(), 'mica-podman-'));
  readonly storage: string;

  constructor(by: By, program = join(top, 'bin/mica-overlayfs')) {
    this.by = by;
    chmodSync(this.base, 0o755);
    for (const name of ['home', 'run', 'tmp', 'state']) mkdirSync(this.path(name), { mode: 0o700 });
    // As --print-config has it; root's with places of a user, for nobody else to have them.
    const ofUser = podmanStorage(ANY_USER, this.environment);
    this.storage = ofUser.graphRoot;
    const more = by === 'root' ? '' : 'ignore_chown_errors = "true"\n';
    // A file that the environment names is not taken for the user's own, whose graphroot counts.
    const elsewhere = `[storage]\nrootless_storage_path = "${this.storage}"`;
    const text = podmanConfig(program, ofUser).replace('[storage]', elsewhere);
    writeFileSync(this.path('storage.conf'), text + more);
    copyFileSync(join(top, 'test/engines/containers.conf'), this.path('containers.conf'));
    writeFileSync(this.path('policy.json'), '{"default": [{"type": "insecureAcceptAnything"}]}');
    if (by !== 'root') execFileSync('chown', ['-R', `${USER}:`, this.base]);
  }

  path(...parts: string[]): string {
    return join(this.base, ...parts);
  }

  /** Words that run the rest of a command line as who has the storage. */
  get who(): readonly string[] {
    return this.by === 'root' ? [] : ['runuser', '-u', USER, '--'];
  }

  /** Words that run the rest of a command line where this user's containers and mounts are seen. */
  get inside(): readonly string[] {
    return this.by === 'root' ? [] : [...this.who, 'podman', 'unshare'];
  }

  get environment(): NodeJS.ProcessEnv {
    return {
      PATH: process.env['PATH'],
      HOME: this.path('home'),
      TMPDIR: this.path('tmp'),
      XDG_RUNTIME_DIR: this.path('run'),
      CONTAINERS_CONF: this.path('containers.conf'),
      CONTAINERS_STORAGE_CONF: this.path('storage.conf'),
      // A user's is found from the folder of his session, by podman's programs and by ours.
      ...(this.by === 'root' ? { MICA_STATE: this.path('state') } : {}),
      MICA_WITHOUT: process.env['MICA_WITHOUT'],
    };
  }

  /** Runs a command line as who has the storage, to its end. */
  try(words: readonly string[], prefix = this.who): Ran {
    const [command = '', ...args] = [...prefix, 'timeout', '240', ...words];
    const done = spawnSync(command, args, {
      cwd: this.base,
      env: this.environment,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    if (done.error) throw done.error;
    return { code: done.status, out: done.stdout, err: done.stderr };
  }

  /** As `try` of what must succeed; returns what it printed, without the last line break. */
  run(words: readonly string[], prefix = this.who): string {
    const { code, out, err } = this.try(words, prefix);
    if (code !== 0) throw new Error(`${words.join(' ')}: exit ${code}: ${err}${out}`);
    return out.trimEnd();
  }

  podman(...words: string[]): string {
    return this.run(['podman', ...words]);
  }

  buildah(...words: string[]): string {
    return this.run(['buildah', ...words]);
  }

  /** Runs a shell script in a new container that is removed afterwards; `words` are options of `podman run`. */
  inContainer(image: string, script: string, ...words: string[]): string {
    return this.podman('run', '--rm', ...words, image, '/bin/sh', '-ec', script);
  }

  /** A folder with a Containerfile, to build from. */
  context(name: string, containerfile: string): string {
    const folder = this.path(name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'Containerfile'), containerfile);
    chmodSync(folder, 0o755);
    return folder;
  }

  /** The servers of the mounts below the storage: their mount points and process ids, as the mount table has them. */
  servers(): { readonly target: string; readonly pid: number }[] {
    const rows = this.run([process.execPath, join(top, 'bin/mica'), '--json', 'mounts'], this.inside);
    return (JSON.parse(rows) as { target: string; pid: number; state: string }[]).filter(
      ({ target, state }) => state === 'live' && target.startsWith(this.storage),
    );
  }

  /** Ends containers and mounts, and removes everything. */
  remove(): void {
    this.try(['podman', 'rm', '-f', '-t', '0', '-a']);
    this.try(['podman', 'image', 'umount', '-a']);
    this.try(['buildah', 'rm', '-a']);
    const keeper = this.path('run/libpod/tmp/pause.pid');
    if (existsSync(keeper)) process.kill(Number(readFileSync(keeper, 'utf8')), 'SIGKILL');
    for (const point of mountPointsBelow(this.base)) spawnSync('umount', ['-l', point]);
    rmSync(this.base, { recursive: true, force: true });
  }
}

function mountPointsBelow(folder: string): string[] {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '');
  return points.filter((point) => point.startsWith(`${folder}/`)).reverse();
}
