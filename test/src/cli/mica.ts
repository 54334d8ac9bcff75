// Runs the built `bin/mica` as a child process with a store of its own, as a shell would.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../../bin/', import.meta.url));

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A scratch folder with a store, and the program run on it. */
export class Mica {
  readonly dir = mkdtempSync(join(tmpdir(), 'mica-cli-test-'));
  readonly root = join(this.dir, 'root');
  readonly state = join(this.dir, 'state');

  /** Runs `mica` with these words. */
  run(words: readonly string[], options: RunOptions = {}): Ran {
    return this.program('mica', words, options);
  }

  /** Runs a program of `bin/`. */
  program(name: string, words: readonly string[], options: RunOptions = {}): Ran {
    const path = join(BIN, name);
    const [command, ...first] = name === 'mica' ? [process.execPath, path] : [path];
    const done = spawnSync(command, [...first, ...words], {
      cwd: options.cwd ?? this.dir,
      env: {
        PATH: process.env['PATH'],
        HOME: this.dir,
        MICA_ROOT: this.root,
        MICA_STATE: this.state,
        ...options.env,
      },
      ...(options.input === undefined ? {} : { input: options.input }),
      encoding: 'utf8',
      timeout: 60_000,
    });
    return { code: done.status, out: done.stdout, err: done.stderr };
  }

  /** A path in the scratch folder. */
  path(...parts: string[]): string {
    return join(this.dir, ...parts);
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
