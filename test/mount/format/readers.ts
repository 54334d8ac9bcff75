// Readers of the same folders: kernel overlayfs, fuse-overlayfs and our mount. What one wrote the other must show
// as the same tree. Trees are compared whole: types, modes, owners, devices, targets, times, xattrs, content,
// holes, which names are one file, and how many links it has.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { Dialect, MarkPrefix, StackDescription } from '../../../dist/fs/index.js';
import { treeDifferences } from '../../tree.js';
import { Served } from '../mounted.js';

const HERE = dirname(fileURLToPath(import.meta.url));
const NOBODY = 65534;

/** Path to all that can be seen there. */
export type Tree = Map<string, string>;

/** Folders of a stack, by their names in the scratch folder; lowers topmost first. */
export interface Folders {
  readonly lowers: readonly string[];
  /** Layers of data alone. */
  readonly data?: readonly string[];
  readonly upper?: string;
}

/** A script of this folder or a line of shell, and its arguments. */
export type Script = readonly [string, ...string[]];

export interface Ours {
  readonly marks?: MarkPrefix;
  readonly dialect?: Dialect;
  /** Make the upper plain at the end. */
  readonly settle?: boolean;
}

/** Who mounts and looks: root, an ordinary user, or the root of that user's own namespace. */
export type Who = 'root' | 'user' | 'namespace';

/** A scratch folder in which layers are folders; the work folder of upper `u` is `u.work`. */
export class Layers {
  readonly base = mkdtempSync(join(tmpdir(), 'mica-format-'));
  readonly #who: Who;
  /** Words of a command that runs others as `who`. */
  #wrap: readonly string[] = [];
  #holder: ChildProcess | undefined;
  #served: Served | undefined;

  private constructor(who: Who) {
    this.#who = who;
  }

  static async make(who: Who, ...names: string[]): Promise<Layers> {
    const layers = new Layers(who);
    if (who !== 'root') await layers.#enter();
    for (const name of ['mnt', ...names]) layers.folder(name);
    return layers;
  }

  async #enter(): Promise<void> {
    const asUser = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--'];
    chownSync(this.base, NOBODY, NOBODY);
    this.#wrap = asUser;
    if (this.#who === 'user') return;
    const [command, ...args] = [...asUser, 'unshare', '-Urm', 'sh', '-c', 'echo ready; exec sleep 600'];
    this.#holder = spawn(command as string, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(this.#holder.stdout as NodeJS.ReadableStream, 'data');
    this.#wrap = ['nsenter', '-t', `${this.#holder.pid}`, '-U', '-m', '--'];
  }

  at(...names: string[]): string {
    return join(this.base, ...names);
  }

  folder(name: string): void {
    for (const path of [this.at(name), this.at(`${name}.work`)]) {
      mkdirSync(path);
      if (this.#who !== 'root') chownSync(path, NOBODY, NOBODY);
    }
  }

  /** Runs a script in a folder, as `who`. A line of shell finds `changes.sh` in $0. */
  run(folder: string, [script, ...args]: Script): void {
    const words = script.endsWith('.sh') ? [join(HERE, script)] : ['-c', script, join(HERE, 'changes.sh')];
    this.#command(['sh', '-e', ...words, ...args], this.at(folder));
  }

  #command(words: readonly string[], cwd: string): string {
    // The folder is entered inside the namespace, where the mount is.
    const inside = ['sh', '-c', 'cd "$0" && exec "$@"', cwd, ...words];
    const done = spawnSync('timeout', ['60', ...this.#wrap, ...inside], {
      cwd: '/',
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    if (done.status !== 0) throw new Error(`${words.join(' ')} ended with ${done.status}: ${done.stderr}`);
    return done.stdout;
  }

  /** Mounts with the kernel, runs scripts there, and returns the tree. */
  kernel(folders: Folders, options: string, ...scripts: readonly Script[]): Tree {
    const all = this.#options(folders, options);
    this.#command(['mount', '-t', 'overlay', 'overlay', '-o', all, this.at('mnt')], '/');
    return this.#use(scripts, ['umount', this.at('mnt')]);
  }

  /** Mounts with fuse-overlayfs, runs scripts there, and returns the tree. */
  fuseOverlayfs(folders: Folders, options: string, ...scripts: readonly Script[]): Tree {
    const all = this.#options(folders, options);
    this.#command(['fuse-overlayfs', '-o', all, this.at('mnt')], '/');
    const umount = this.#who === 'user' ? ['fusermount3', '-u'] : ['umount'];
    return this.#use(scripts, [...umount, this.at('mnt')]);
  }

  #options({ lowers, data = [], upper }: Folders, more: string): string {
    const layers = [lowers.map((name) => this.at(name)).join(':'), ...data.map((name) => this.at(name))];
    const words = [`lowerdir=${layers.join('::')}`];
    if (upper !== undefined) words.push(`upperdir=${this.at(upper)}`, `workdir=${this.at(`${upper}.work`)}`);
    return [...words, ...(more === '' ? [] : [more])].join(',');
  }

  #use(scripts: readonly Script[], umount: readonly string[]): Tree {
    try {
      for (const script of scripts) this.run('mnt', script);
      return this.tree();
    } finally {
      this.#command(umount, '/');
    }
  }

  /** Mounts with our server, runs scripts there, and returns the tree. */
  async ours(folders: Folders, how: Ours, ...scripts: readonly Script[]): Promise<Tree> {
    const stack = this.stack(folders, how);
    const served = await new Served({ stack, mountPoint: this.at('mnt') }, this.#wrap).live();
    this.#served = served;
    try {
      for (const script of scripts) this.run('mnt', script);
      const tree = this.tree();
      const answer = how.settle === true ? await served.ask({ op: 'settle' }) : {};
      if ('error' in answer) throw new Error(JSON.stringify(answer));
      return tree;
    } finally {
      await served.stop();
      await served.exit;
      this.#served = undefined;
    }
  }

  stack({ lowers, data, upper }: Folders, how: Ours): StackDescription {
    const { dialect = 'overlay' } = how;
    const marks = how.marks ?? (this.#who === 'root' ? 'trusted' : 'user');
    const told = dialect === 'wh' ? {} : { marks };
    const describe = (name: string) => ({ path: this.at(name), id: name, dialect, ...told }) as const;
    const stack = {
      lowers: lowers.map(describe),
      ...(data === undefined ? {} : { data: data.map(describe) }),
    };
    if (upper === undefined) return stack;
    return { ...stack, upper: { ...describe(upper), marks, work: this.at(`${upper}.work`) } };
  }

  tree(): Tree {
    const text = this.#command([process.execPath, join(HERE, 'list.mjs')], this.at('mnt'));
    return new Map(Object.entries(JSON.parse(text) as Record<string, string>));
  }

  remove(): void {
    this.#served?.process.kill('SIGKILL');
    spawnSync('umount', ['-q', '-l', this.at('mnt')], { stdio: 'ignore' });
    this.#holder?.kill('SIGKILL');
    rmSync(this.base, { recursive: true, force: true });
  }
}

/** `but` takes out of both lines what is known to differ. */
export function expectSame(seen: Tree, wanted: Tree, but = (line: string) => line): void {
  const known = (tree: Tree) => new Map([...tree].map(([path, line]) => [path, but(line)]));
  expect(treeDifferences(known(seen), known(wanted))).toEqual([]);
}
