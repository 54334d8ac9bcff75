// The failing filesystem as a test holds it: a process of its own, a mount, and commands (see filesystem.mjs).

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { fromText, sys } from '../../../fs/index.js';

/** Which changes fail: the one that comes `at` (from 0), and what comes after it. */
export interface Failure {
  readonly at: number;
  readonly errno: number;
  /** `space`: what a full disk refuses. */
  readonly later: 'nothing' | 'space' | 'all';
}

const O_RDONLY = 0;

export class FailingFilesystem {
  readonly #mountPoint: string;
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown>;

  /** `whiteouts`: whether rename(2) can leave one. */
  constructor(mountPoint: string, whiteouts: boolean) {
    this.#mountPoint = mountPoint;
    const server = fileURLToPath(new URL('server.mjs', import.meta.url));
    const words = [server, mountPoint, ...(whiteouts ? ['whiteouts'] : [])];
    this.#process = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#exit = new Promise((resolve) => {
      this.#process.once('exit', resolve);
    });
  }

  /** Waits until it is mounted. */
  async live(): Promise<this> {
    const lines = createInterface({ input: this.#process.stdout as NodeJS.ReadableStream });
    for await (const line of lines) if (line === 'live') return this;
    throw new Error('the failing filesystem has ended');
  }

  /** Counts changes anew, and fails what is asked for. */
  fail(failure: Failure): void {
    this.#command('user.fail', failure);
  }

  /** Ends what `fail` began; returns the kinds of the changes since then. */
  heal(): readonly string[] {
    return this.#withRoot((root) => {
      const requests = new TextDecoder().decode(sys.getXattr(root, 'user.requests'));
      this.#command('user.fail', { at: -1, errno: 0, later: 'nothing' });
      return JSON.parse(requests) as string[];
    });
  }

  /** Requests of these kinds wait from now on, and keep nobody else waiting. */
  hold(...kinds: readonly string[]): void {
    this.#command('user.hold', kinds);
  }

  /** Lets them go: they are served, or fail, as all that are like them from then on. */
  letGo(errno = 0): void {
    this.#command('user.hold', { errno });
  }

  /** Waits until one is held. */
  async holds(): Promise<void> {
    const held = () => this.#withRoot((root) => new TextDecoder().decode(sys.getXattr(root, 'user.held')));
    while (held() === '0') await new Promise((resolve) => setImmediate(resolve));
  }

  #command(name: string, command: unknown): void {
    const value = new TextEncoder().encode(JSON.stringify(command));
    this.#withRoot((root) => sys.setXattr(root, name, value, 0));
  }

  /** Whatever becomes of the unmounting: without its server the mount answers nobody, and nobody waits for it. */
  async end(): Promise<void> {
    spawnSync('timeout', ['20', 'umount', '-l', this.#mountPoint], { stdio: 'ignore' });
    this.#process.kill('SIGKILL');
    await this.#exit;
  }

  #withRoot<T>(act: (root: number) => T): T {
    const root = sys.openAt(sys.AT_FDCWD, fromText(this.#mountPoint), O_RDONLY);
    try {
      return act(root);
    } finally {
      sys.closeFd(root);
    }
  }
}
