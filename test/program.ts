// The built `mica` as a child process with a store of its own, for tests that try the program as a user does.

import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const top = new URL('..', import.meta.url).pathname;

export interface Done {
  /** The exit code, or 128 + the number of the signal that ended it. */
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const SIGNALS: Readonly<Record<string, number>> = { SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/** A scratch folder with a store (root/, state/) and whatever a test puts beside it. */
export class Scratch {
  readonly base: string;
  readonly #words: readonly string[];

  constructor(name: string) {
    this.base = mkdtempSync(join(tmpdir(), `mica-${name}-`));
    this.#words = [
      join(top, 'bin/mica'),
      '--root',
      join(this.base, 'root'),
      '--state',
      join(this.base, 'state'),
    ];
  }

  path(...parts: string[]): string {
    return join(this.base, ...parts);
  }

  folder(name: string): string {
    const path = this.path(name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Runs `mica` to its end. */
  try(...words: string[]): Done {
    const done = spawnSync(process.execPath, [...this.#words, ...words], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      timeout: 120_000,
    });
    if (done.error) throw done.error;
    return {
      code: done.status ?? 128 + (SIGNALS[done.signal ?? ''] ?? 0),
      out: done.stdout,
      err: done.stderr,
    };
  }

  /** Runs `mica`, which must succeed; returns what it printed. */
  mica(...words: string[]): string {
    const done = this.try(...words);
    if (done.code !== 0) throw new Error(`mica ${words.join(' ')} ended with ${done.code}: ${done.err}`);
    return done.out;
  }

  /** Runs `mica` and sends it a signal after `afterMs` milliseconds, unless it has ended by then. */
  interrupt(signal: NodeJS.Signals, afterMs: number, ...words: string[]): Promise<Done> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [...this.#words, ...words], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const timer = setTimeout(() => child.kill(signal), afterMs);
      let out = '';
      let err = '';
      child.stdout.on('data', (chunk: Buffer) => {
        out += chunk.toString();
      });
      child.stderr.on('data', (chunk: Buffer) => {
        err += chunk.toString();
      });
      child.on('error', reject);
      child.on('close', (code, ended) => {
        clearTimeout(timer);
        resolve({ code: code ?? 128 + (SIGNALS[ended ?? ''] ?? 0), out, err });
      });
    });
  }

  /** Unmounts whatever is mounted below the scratch folder, and removes it. */
  remove(): void {
    const points = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '')
      .filter((point) => point.startsWith(`${this.base}/`));
    for (const point of points.reverse()) {
      if (spawnSync('umount', ['-l', point]).status !== 0) spawnSync('fusermount3', ['-u', '-z', point]);
    }
    rmSync(this.base, { recursive: true, force: true });
  }
}
