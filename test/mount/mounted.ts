// A mount for tests: a scratch folder with layers, and a server in a process of its own, because a process must
// not touch a mount that it serves.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach } from 'vitest';
import type { MountRequest, StackDescription } from '../../dist/fs/index.js';

const PROGRAM = join(dirname(fileURLToPath(import.meta.url)), 'serve.mjs');

/** A folder of the temp dir with `lower`, `upper`, `work` and `mnt` in it. */
export class Scratch {
  readonly path = mkdtempSync(join(tmpdir(), 'mica-mount-'));

  constructor() {
    for (const name of ['lower', 'upper', 'work', 'mnt']) mkdirSync(join(this.path, name));
  }

  at(...names: string[]): string {
    return join(this.path, ...names);
  }

  stack(marks: 'trusted' | 'user' = 'trusted'): StackDescription {
    return {
      lowers: [{ path: this.at('lower'), id: 'lower', dialect: 'overlay', marks }],
      upper: { path: this.at('upper'), work: this.at('work'), id: 'upper', dialect: 'overlay', marks },
    };
  }

  /** Runs a shell script in the scratch folder, with a limit: a mount under test may hang. */
  sh(script: string): string {
    const done = spawnSync('timeout', ['60', 'sh', '-ec', script], { cwd: this.path, encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`exit ${done.status}: ${done.stderr}`);
    return done.stdout.trimEnd();
  }

  remove(): void {
    spawnSync('umount', ['-q', '-l', this.at('mnt')], { stdio: 'ignore' });
    // Not by Node, to which a path may be too long.
    spawnSync('rm', ['-rf', this.path], { stdio: 'ignore' });
  }
}

export interface ServeOptions extends Omit<MountRequest, 'onFault'> {
  readonly transport?: string;
}

type Line = 'live' | Record<string, unknown>;

/** The serving process. Its answers come in the order of the requests. */
export class Served {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly exit: Promise<number | null>;

  /** `wrap`: words of a command that runs the server (`runuser -u nobody --`). */
  constructor(options: ServeOptions, wrap: readonly string[] = []) {
    const [command, ...args] = [...wrap, process.execPath, PROGRAM, JSON.stringify(options)];
    this.process = spawn(command as string, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines: Interface = createInterface({ input: this.process.stdout as NodeJS.ReadableStream });
    this.#lines = lines[Symbol.asyncIterator]();
    this.exit = new Promise((resolve) => {
      this.process.once('exit', (code) => resolve(code));
    });
  }

  async line(): Promise<Line> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the server has ended');
    return JSON.parse(value) as Line;
  }

  /** Waits until the mount serves. */
  async live(): Promise<this> {
    const first = await this.line();
    if (first !== 'live') throw new Error(JSON.stringify(first));
    return this;
  }

  async ask(request: object): Promise<Record<string, unknown>> {
    this.process.stdin?.write(`${JSON.stringify(request)}\n`);
    return (await this.line()) as Record<string, unknown>;
  }

  /** Unmounts and waits for the process; returns how the mount ended. */
  async stop(): Promise<unknown> {
    this.process.stdin?.write('{"op":"stop"}\n');
    const line = await this.line();
    return (line as Record<string, unknown>)['ended'] ?? line;
  }
}

/** A scratch folder, and the server that mounts its layers, if one does. */
class TestMount {
  scratch!: Scratch;
  #served: Served | undefined;

  begin(): void {
    this.scratch = new Scratch();
  }

  /** Mounts the layers, by a new server; `wrap` as for `Served`. */
  serve(options: Partial<ServeOptions> = {}, wrap: readonly string[] = []): Promise<Served> {
    const request = { stack: this.scratch.stack(), mountPoint: this.scratch.at('mnt'), ...options };
    this.#served = new Served(request, wrap);
    return this.#served.live();
  }

  /** The server is killed, whatever it does. */
  async end(): Promise<void> {
    this.#served?.process.kill('SIGKILL');
    await this.#served?.exit;
    this.#served = undefined;
    this.scratch.remove();
  }
}

/** Each test of the suite that calls this has a scratch folder of its own, filled by `prepare`. */
export function eachWithMount(prepare: (made: Scratch) => void = () => undefined): TestMount {
  const at = new TestMount();
  beforeEach(() => {
    at.begin();
    prepare(at.scratch);
  });
  afterEach(() => at.end());
  return at;
}
