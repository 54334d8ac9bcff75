// The places where the cases are tried: a plain folder, and mounts made in every way that there is.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureExt4, leaveExt4 } from '../../ext4.js';
import { Scratch, top } from '../../program.js';
import type { Case, Place } from './case.js';

/** `mkdir` takes a folder that another layer has, too. */
const PRELUDE = 'umask 022; mkdir() { command mkdir -p "$@"; }';

function shell(script: string, cwd: string, tools: string, wrap: readonly string[]): void {
  const env = { ...process.env, PATH: `${tools}:${process.env['PATH']}` };
  const words = ['60', ...wrap, 'sh', '-ec', `${PRELUDE}; mkdir "$0"; cd "$0"; ${script}`, cwd];
  const done = spawnSync('timeout', words, { cwd: '/', env, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`cannot prepare '${script}': ${done.stderr}`);
}

/** Nobody special. */
export const AS_USER = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];

/** A plain folder of an ext4, the control: a script that fails here is wrong. `wrap` says who makes the calls. */
export class PlainFolder implements Place {
  readonly wrap: readonly string[];
  readonly #base = mkdtempSync(join(tmpdir(), 'mica-posix-plain-'));

  constructor(wrap: readonly string[]) {
    this.wrap = wrap;
    ensureExt4(this.#base);
    if (wrap.length > 0) giveAway(this.#base);
  }

  async prepare(cases: readonly Case[], tools: string): Promise<void> {
    cases.forEach(({ ground, bottom, lower, plain, foreign }, at) => {
      const scripts = plain === undefined ? [ground, bottom, lower] : [plain];
      for (const script of scripts) {
        shell(script ?? ':', this.folder(at), tools, foreign === true ? [] : this.wrap);
      }
    });
  }

  folder(at: number): string {
    return join(this.#base, `case${at}`);
  }

  remount(): void {
    // Nothing is kept in memory that another mount would not have.
  }

  async remove(): Promise<void> {
    leaveExt4(this.#base);
    rmSync(this.#base, { recursive: true, force: true });
  }
}

/** From the bottom up. */
const LAYERS = ['ground', 'bottom', 'lower', 'upper'] as const;

type LayerName = (typeof LAYERS)[number];

/** A mount over three lowers; `who` mounts it and makes the calls. */
abstract class Mount implements Place {
  protected readonly scratch = new Scratch('posix');
  readonly #who: Who;
  #mounted = false;

  constructor(who: Who) {
    this.#who = who;
  }

  get wrap(): readonly string[] {
    return this.#who.wrap;
  }

  async prepare(cases: readonly Case[], tools: string): Promise<void> {
    this.#giveAway('.');
    this.#giveAway('mnt');
    await this.#who.enter();
    for (const layer of LAYERS) {
      const folder = this.layer(layer);
      cases.forEach((of, at) => {
        // A folder that is in one layer only is another thing than a merged one.
        const only = layer === 'lower' && of.bottom === undefined && of.upper === undefined ? ':' : undefined;
        const script = of[layer] ?? only;
        if (script === undefined) return;
        shell(script, join(folder, `case${at}`), tools, of.foreign === true ? [] : this.wrap);
      });
    }
    this.#mount();
  }

  /** The folder of a layer, empty. Layers are asked for from the bottom, each when all below it are filled. */
  protected abstract layer(name: LayerName): string;

  protected abstract mount(target: string): void;

  protected unmount(target: string): void {
    this.mica('umount', target);
  }

  /** After the mount has ended. */
  protected clear(): void {
    // Most places have nothing but their scratch folder.
  }

  /** An empty folder of whoever mounts. */
  protected made(name: string): string {
    this.#giveAway(name);
    return this.scratch.path(name);
  }

  #giveAway(name: string): void {
    this.scratch.folder(name);
    if (this.#who.wrap.length > 0) giveAway(this.scratch.path(name));
  }

  folder(at: number): string {
    return this.scratch.path('mnt', `case${at}`);
  }

  #mount(): void {
    this.mount(this.scratch.path('mnt'));
    this.#mounted = true;
  }

  /** `mica` as who mounts; returns what it printed. */
  protected mica(...words: string[]): string {
    const own = ['--root', this.scratch.path('root'), '--state', this.scratch.path('state')];
    return this.run(process.execPath, join(top, 'bin/mica'), ...own, ...words);
  }

  protected run(...words: string[]): string {
    const [command, ...args] = [...this.wrap, ...words];
    const env = { ...process.env, MICA_STATE: this.scratch.path('state') };
    const done = spawnSync(command as string, args, { cwd: '/', env, encoding: 'utf8', timeout: 60_000 });
    if (done.status !== 0) throw new Error(`${words.join(' ')}: ${done.status} ${done.stderr}`);
    return done.stdout;
  }

  remount(): void {
    this.unmount(this.scratch.path('mnt'));
    this.#mounted = false;
    this.#mount();
  }

  async remove(): Promise<void> {
    try {
      if (this.#mounted) this.unmount(this.scratch.path('mnt'));
    } finally {
      this.#who.leave();
      this.clear();
      this.scratch.remove();
    }
  }
}

/** `mica mount --lower`, over folders of three filesystems. */
export class FolderMount extends Mount {
  readonly #options: readonly string[];

  constructor(who: Who, options: readonly string[] = []) {
    super(who);
    this.#options = options;
    // Two filesystems that number their files alike, from 1 on. A user namespace has to find them mounted.
    for (const name of ['ground', 'bottom'])
      shell('mount -t tmpfs none .', this.scratch.folder(name), '', []);
  }

  protected layer(name: LayerName): string {
    return this.made(name);
  }

  protected mount(target: string): void {
    const lowers = ['lower', 'bottom', 'ground'].map((name) => this.scratch.path(name)).join(':');
    const changes = ['--upper', this.scratch.path('upper'), '--work', this.made('work')];
    this.mica('mount', '--lower', lowers, ...changes, ...this.#options, target);
  }
}

/** `mica-overlayfs`, as podman and buildah start it. */
export class ProgramMount extends Mount {
  readonly #unmount: readonly string[];

  constructor(who: Who, unmount: readonly string[]) {
    super(who);
    this.#unmount = unmount;
  }

  protected layer(name: LayerName): string {
    return this.made(name);
  }

  protected mount(target: string): void {
    const [ground, bottom, lower, upper] = LAYERS.map((name) => this.scratch.path(name));
    const options = `lowerdir=${lower}:${bottom}:${ground},upperdir=${upper},workdir=${this.made('work')}`;
    this.run(join(top, 'bin/mica-overlayfs'), '-o', options, target);
  }

  protected override unmount(target: string): void {
    this.run(...this.#unmount, target);
  }
}

/**
 * `mica mount KEY`: the lowers are committed snapshots, which are read through their indexes. Each has got a file
 * since, in its folder `indexed`, of which the index knows nothing.
 */
export class StoreMount extends Mount {
  protected layer(name: LayerName): string {
    const below = LAYERS[LAYERS.indexOf(name) - 1];
    if (below !== undefined) this.#commit(below);
    const parent = below === undefined ? [] : [below];
    this.mica('--driver', 'fuse', 'snapshot', 'prepare', `${name}-key`, ...parent);
    return this.#folderOf(`${name}-key`);
  }

  #commit(name: LayerName): void {
    const folder = join(this.#folderOf(`${name}-key`), 'indexed');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, name), '');
    this.mica('snapshot', 'commit', name, `${name}-key`);
    writeFileSync(join(folder, `${name}-unknown`), '');
  }

  #folderOf(key: string): string {
    const { id } = JSON.parse(this.mica('snapshot', 'info', key, '--json')) as { id: string };
    return this.scratch.path('root', 'snapshots', id, 'fs');
  }

  protected mount(target: string): void {
    this.mica('mount', 'upper-key', target);
  }

  /** The names that the mount shows of the layers' folders `indexed`. */
  shown(): string[] {
    return this.run('ls', this.scratch.path('mnt', 'indexed')).trim().split('\n');
  }
}

/** The kernel's own overlayfs, with all that makes it as much of a POSIX filesystem as it can be; all layers on one ext4. */
export class KernelMount extends Mount {
  readonly #disk: string;

  constructor() {
    super(asRoot());
    this.#disk = this.scratch.folder('disk');
    ensureExt4(this.#disk);
  }

  protected layer(name: LayerName): string {
    return this.made(join('disk', name));
  }

  protected mount(target: string): void {
    const [ground, bottom, lower, upper] = LAYERS.map((name) => join(this.#disk, name));
    const layers = `lowerdir=${lower}:${bottom}:${ground},upperdir=${upper},workdir=${this.made('disk/work')}`;
    this.run(
      'mount',
      '-t',
      'overlay',
      'none',
      '-o',
      `${layers},index=on,redirect_dir=on,metacopy=on`,
      target,
    );
  }

  protected override unmount(target: string): void {
    this.run('umount', target);
  }

  protected override clear(): void {
    leaveExt4(this.#disk);
  }
}

/** Who mounts and makes the calls. */
export interface Who {
  /** Words of a command that runs the rest as that one. */
  readonly wrap: readonly string[];
  /** Whatever has to be there before anything is made. */
  enter(): Promise<void>;
  leave(): void;
}

const NOTHING_TO_DO = { enter: async () => undefined, leave: () => undefined };

export const asRoot = (): Who => ({ wrap: [], ...NOTHING_TO_DO });

export const asUser = (): Who => ({ wrap: AS_USER, ...NOTHING_TO_DO });

/** A user namespace of an ordinary user, who is root there and the only user. */
export class InNamespace implements Who {
  wrap: readonly string[] = AS_USER;
  #holder: ChildProcess | undefined;

  async enter(): Promise<void> {
    const [command, ...args] = [...AS_USER, 'unshare', '-Urm', 'sh', '-c', 'echo ready; exec sleep 600'];
    this.#holder = spawn(command as string, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(this.#holder.stdout as NodeJS.ReadableStream, 'data');
    this.wrap = ['nsenter', '-t', `${this.#holder.pid}`, '-U', '-m', '--'];
  }

  leave(): void {
    this.#holder?.kill('SIGKILL');
  }
}

function giveAway(...paths: string[]): void {
  for (const path of paths) chownSync(path, 65534, 65534);
}
