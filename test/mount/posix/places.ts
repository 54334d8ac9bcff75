// The same script of system calls on a plain folder and on a mount of ours: the answers must be the same. A case
// says what lies in which layer before the mount; on the plain folder the layers are laid over each other in place.
// A script has one call of probe.c a line and behind `=>` its answer (none: 0). A line `remount` mounts anew.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Scratch, top } from '../../program.js';
import { describeWith, type Need } from '../../requires.js';

const HERE = dirname(fileURLToPath(import.meta.url));

/** What lies in each layer, as shell scripts that run in the case's folder there; `probe` makes calls for them, too. */
export interface Layers {
  /** The lower layer at the bottom. */
  readonly bottom?: string;
  /** The lower layer on top of it. */
  readonly lower?: string;
  /** The upper, as an earlier mount or an engine left it. */
  readonly upper?: string;
  /** What all layers with their marks come to without layers; by default one script after the other. */
  readonly plain?: string;
}

export interface Case extends Layers {
  readonly name: string;
  /** Why an ordinary user cannot make these calls: the kernel's rule. The case is then tried as root alone. */
  readonly privilege?: string;
  /** Why it cannot hold in a user namespace either: the kernel's rule. */
  readonly namespace?: string;
  /** Tried in a user namespace alone: elsewhere its root is nobody special. */
  readonly inNamespace?: true;
  /** A feature of the kernel that it stands on (MICA_WITHOUT). */
  readonly feature?: string;
  /** The layers are made by root, whoever makes the calls. */
  readonly foreign?: boolean;
  readonly calls: string;
}

interface Place {
  /** Words of a command that makes the calls as who they are made. */
  readonly wrap: readonly string[];
  /** Lays out the folders of all cases, and mounts. */
  prepare(cases: readonly Case[], tools: string): Promise<void>;
  folder(at: number): string;
  remount(): void;
  remove(): Promise<void>;
}

/** `mkdir` takes a folder that another layer has, too. */
const PRELUDE = 'umask 022; mkdir() { command mkdir -p "$@"; }';

function shell(script: string, cwd: string, tools: string, wrap: readonly string[]): void {
  const env = { ...process.env, PATH: `${tools}:${process.env['PATH']}` };
  const words = ['60', ...wrap, 'sh', '-ec', `${PRELUDE}; mkdir "$0"; cd "$0"; ${script}`, cwd];
  const done = spawnSync('timeout', words, { cwd: '/', env, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`cannot prepare '${script}': ${done.stderr}`);
}

/** Nobody special. */
const AS_USER = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];

/** A plain folder, the control: a script that fails here is wrong. `wrap` says who makes the calls. */
class PlainFolder implements Place {
  readonly wrap: readonly string[];
  readonly #base = mkdtempSync(join(tmpdir(), 'mica-posix-plain-'));

  constructor(wrap: readonly string[]) {
    this.wrap = wrap;
    if (wrap.length > 0) giveAway(this.#base);
  }

  async prepare(cases: readonly Case[], tools: string): Promise<void> {
    cases.forEach(({ bottom, lower, plain, foreign }, at) => {
      const scripts = plain === undefined ? [bottom, lower] : [plain];
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
    rmSync(this.#base, { recursive: true, force: true });
  }
}

/** A mount over two lowers of two filesystems; `wrap` says who mounts and makes the calls. */
class Mount implements Place {
  wrap: readonly string[];
  readonly #scratch = new Scratch('posix');
  #mounted = false;

  constructor(wrap: readonly string[]) {
    this.wrap = wrap;
  }

  async prepare(cases: readonly Case[], tools: string): Promise<void> {
    for (const name of ['bottom', 'lower', 'upper', 'work', 'mnt']) this.#scratch.folder(name);
    // Another filesystem than the others: its numbers overlap with theirs.
    shell('mount -t tmpfs none .', this.path('bottom'), tools, []);
    const owned = ['bottom', 'lower', 'upper', 'work', 'mnt', '.'];
    if (this.wrap.length > 0) giveAway(...owned.map((name) => this.path(name)));
    await this.enter();
    cases.forEach((layers, at) => {
      const maker = layers.foreign === true ? [] : this.wrap;
      for (const layer of ['bottom', 'lower', 'upper'] as const) {
        const script = layers[layer];
        // A folder that is in one layer only is another thing than a merged one.
        if (script !== undefined) shell(script, this.path(layer, `case${at}`), tools, maker);
      }
      if (layers.bottom === undefined && layers.upper === undefined) {
        shell(':', this.path('lower', `case${at}`), tools, maker);
      }
    });
    this.#mount();
  }

  /** Whatever has to be there before anything is mounted. */
  protected async enter(): Promise<void> {
    // Nothing, where it is mounted in the namespace of the test.
  }

  protected path(...parts: string[]): string {
    return this.#scratch.path(...parts);
  }

  folder(at: number): string {
    return this.path('mnt', `case${at}`);
  }

  #mount(): void {
    const lowers = `${this.path('lower')}:${this.path('bottom')}`;
    const upper = ['--upper', this.path('upper'), '--work', this.path('work')];
    this.#mica('mount', '--lower', lowers, ...upper, this.path('mnt'));
    this.#mounted = true;
  }

  #mica(...words: string[]): void {
    const own = ['--root', this.path('root'), '--state', this.path('state')];
    const [command, ...args] = [...this.wrap, process.execPath, join(top, 'bin/mica'), ...own, ...words];
    const done = spawnSync(command as string, args, { cwd: '/', encoding: 'utf8', timeout: 60_000 });
    if (done.status !== 0) throw new Error(`mica ${words.join(' ')}: ${done.status} ${done.stderr}`);
  }

  remount(): void {
    this.#mica('umount', this.path('mnt'));
    this.#mounted = false;
    this.#mount();
  }

  async remove(): Promise<void> {
    try {
      if (this.#mounted) this.#mica('umount', this.path('mnt'));
    } finally {
      this.#scratch.remove();
    }
  }
}

/** The same in a user namespace of an ordinary user, who is root there and the only user. */
class NamespaceMount extends Mount {
  #holder: ChildProcess | undefined;

  constructor() {
    super(AS_USER);
  }

  protected override async enter(): Promise<void> {
    const [command, ...args] = [...AS_USER, 'unshare', '-Urm', 'sh', '-c', 'echo ready; exec sleep 600'];
    this.#holder = spawn(command as string, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(this.#holder.stdout as NodeJS.ReadableStream, 'data');
    this.wrap = ['nsenter', '-t', `${this.#holder.pid}`, '-U', '-m', '--'];
  }

  override async remove(): Promise<void> {
    try {
      await super.remove();
    } finally {
      this.#holder?.kill('SIGKILL');
    }
  }
}

function giveAway(...paths: string[]): void {
  for (const path of paths) chownSync(path, 65534, 65534);
}

/**
 * The calls of all cases with their answers in place of the expected ones. Cases that mount anew do so together:
 * first every case runs up to its first `remount`, then up to its second.
 */
function answered(place: Place, cases: readonly Case[], probe: string): string[][] {
  const parts = cases.map(({ calls }) => partsOf(calls));
  const transcripts: string[][] = cases.map(() => []);
  for (let round = 0; parts.some((of) => round < of.length); round++) {
    if (round > 0) place.remount();
    parts.forEach((of, at) => {
      const script = of[round];
      if (script === undefined) return;
      const keep = join(dirname(probe), `kept${at}`);
      mkdirSync(keep, { recursive: true });
      chmodSync(keep, 0o777);
      if (round > 0) transcripts[at]!.push('remount');
      transcripts[at]!.push(...run(place, probe, script, place.folder(at), keep));
    });
  }
  return transcripts;
}

function partsOf(calls: string): string[][] {
  const parts: string[][] = [[]];
  for (const { call } of callsOf(calls)) {
    if (call === 'remount') parts.push([]);
    else parts.at(-1)!.push(call);
  }
  return parts;
}

function run(place: Place, probe: string, script: readonly string[], cwd: string, keep: string): string[] {
  const words = ['60', ...place.wrap, 'sh', '-c', 'cd "$1" && exec "$0"', probe, cwd];
  const done = spawnSync('timeout', words, {
    cwd: '/',
    input: `${script.join('\n')}\n`,
    encoding: 'latin1',
    maxBuffer: 1 << 26,
    env: { ...process.env, PROBE_KEEP: keep },
  });
  const answers = done.stdout.split('\n');
  return script.map((call, k) => `${call} => ${answers[k] ?? `nothing (${done.status ?? done.signal})`}`);
}

function callsOf(calls: string): { call: string; answer: string }[] {
  return calls
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const [call, answer] = line.split(/ *=>\s*/);
      return { call: call as string, answer: answer ?? '0' };
    });
}

/** What should have been answered; of several good answers (`0 | EPERM`) the one that was given, if it is one of them. */
function expected(calls: string, given: readonly string[]): string[] {
  return callsOf(calls).map(({ call, answer }, k) => {
    if (call === 'remount') return call;
    const good = answer.split(' | ').map((one) => `${call} => ${one}`);
    return good.find((line) => line === given[k]) ?? `${call} => ${answer}`;
  });
}

type Needs = readonly Need[];

type Who = 'root' | 'user' | 'namespace';

/** Where the cases are tried, and what that needs of the machine. */
const PLACES: readonly { name: string; who: Who; needs: Needs; make(): Place }[] = [
  { name: 'on a plain folder', who: 'root', needs: ['root'], make: () => new PlainFolder([]) },
  { name: 'on a mount', who: 'root', needs: ['root', 'fuse'], make: () => new Mount([]) },
  { name: 'on a plain folder of a user', who: 'user', needs: ['root'], make: () => new PlainFolder(AS_USER) },
  {
    name: 'on a mount by fusermount3',
    who: 'user',
    needs: ['root', 'fuse for all', 'program:fusermount3'],
    make: () => new Mount(AS_USER),
  },
  {
    name: 'on a mount in a user namespace',
    who: 'namespace',
    needs: ['root', 'fuse for all', 'program:unshare', 'program:nsenter'],
    make: () => new NamespaceMount(),
  },
];

/** Switched off, as fs/sys/features.ts reads it. */
const WITHOUT = new Set((process.env['MICA_WITHOUT'] ?? '').split(','));

function isThere(feature: string): boolean {
  return !WITHOUT.has('all') && !WITHOUT.has(feature);
}

/** The cases that the kernel lets somebody make. */
function possible(all: readonly Case[], who: Who): readonly Case[] {
  const there = all.filter(({ feature }) => feature === undefined || isThere(feature));
  const cases = there.filter(({ inNamespace }) => inNamespace === undefined || who === 'namespace');
  if (who === 'root') return cases.filter(({ foreign }) => foreign !== true);
  const own = cases.filter(({ privilege }) => privilege === undefined);
  return who === 'user' ? own : own.filter(({ namespace }) => namespace === undefined);
}

const TOOLS: Needs = ['program:gcc', 'program:setfacl', 'program:setfattr'];

/** A subject: each case is tried in all places; on those of an ordinary user the cases that one can make. */
export function subject(name: string, cases: readonly Case[]): void {
  describe(name, () => {
    for (const { name: where, who, needs, make } of PLACES) {
      const tried = possible(cases, who);
      if (tried.length > 0) describeWith([...needs, ...TOOLS], where, () => tryAll(tried, make));
    }
  });
}

function tryAll(cases: readonly Case[], make: () => Place): void {
  let tools: string;
  let place: Place | undefined;
  let transcripts: string[][];

  beforeAll(async () => {
    tools = mkdtempSync(join(tmpdir(), 'mica-posix-probe-'));
    chmodSync(tools, 0o755);
    const probe = join(tools, 'probe');
    const built = spawnSync('gcc', ['-O1', '-o', probe, join(HERE, 'probe.c')], { encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`cannot build the probe: ${built.stderr}`);
    place = make();
    await place.prepare(cases, tools);
    transcripts = answered(place, cases, probe);
  });

  afterAll(async () => {
    try {
      await place?.remove();
    } finally {
      rmSync(tools, { recursive: true, force: true });
    }
  });

  cases.forEach(({ name, calls }, at) => {
    it(name, () => expect(transcripts[at]).toEqual(expected(calls, transcripts[at]!)));
  });
}
