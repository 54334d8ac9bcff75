// Starts the keeper of a container's mount, in namespaces of its own.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { StoreError } from '../errors.js';
import type { KeeperReport, KeeperSpec } from './messages.js';
import { keeperWords, type OwnNamespaces } from './namespaces.js';
import { asStoreError } from './plain-error.js';

export class Keeper {
  readonly pid: number;
  /** The process has ended, and the mount with it. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, ended: Promise<void>) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.ended = ended;
  }

  /** A keeper whose mount is there. `log`: a file for what it has to say otherwise; removed. */
  static async start(spec: KeeperSpec, namespaces: OwnNamespaces, log: string): Promise<Keeper> {
    const stderr = openSync(log, 'a', 0o600);
    const [command, ...words] = keeperWords(namespaces);
    const program = fileURLToPath(new URL('./keeper.js', import.meta.url));
    let child: ChildProcess;
    try {
      child = spawn(command, [...words, process.execPath, program, spec.transport], {
        // Of no terminal: what is typed there is for the container.
        cwd: '/',
        detached: true,
        stdio: ['ignore', 'ignore', stderr, 'ipc'],
        env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined },
      });
    } finally {
      closeSync(stderr);
    }
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const answer = await firstReport(child, spec, log);
    if ('error' in answer) throw asStoreError(answer.error);
    return new Keeper(child, ended);
  }

  /** Ends the mount, which nobody needs any more. */
  async end(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.ended;
  }
}

async function firstReport(child: ChildProcess, spec: KeeperSpec, log: string): Promise<KeeperReport> {
  try {
    return await new Promise((resolve, reject) => {
      const onExit = (code: number | null, signal: string | null): void =>
        reject(ended(log, signal ?? `exit ${code}`));
      child.once('error', reject);
      child.once('exit', onExit);
      child.once('message', (message) => {
        child.off('exit', onExit);
        resolve(message as KeeperReport);
      });
      // What it was not told it will never be told: its end says why.
      child.send(spec, () => undefined);
    });
  } finally {
    rmSync(log, { force: true });
  }
}

/** Before its first word: unshare(1) may have refused. */
function ended(log: string, how: string): StoreError {
  const said = readFileSync(log, 'utf8').trim().split('\n')[0] ?? '';
  const why = said === '' ? `the process of its mount ended (${how})` : said;
  return new StoreError('unsupported', 'cannot make namespaces for a container', why, {
    hint: 'mica doctor',
  });
}
