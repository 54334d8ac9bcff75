// Starts the first process of a container, in the namespaces of its keeper and some of its own.

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { StoreError } from '../errors.js';
import type { InitReport, InitSpec, MadePoint, ToInit } from './messages.js';
import { initWords, type OwnNamespaces } from './namespaces.js';
import { asStoreError } from './plain-error.js';

/** A command that did not begin: its code is 126 or 127, as a shell has them. */
export class NotStarted extends Error {
  readonly code: number;

  constructor(code: number, cause: StoreError) {
    super(cause.message, { cause });
    this.name = 'NotStarted';
    this.code = code;
  }
}

export class Init {
  /** What it made in the snapshot. */
  made: readonly MadePoint[] = [];
  /** The command runs. Rejects with NotStarted where it cannot, and with StoreError where the container cannot. */
  readonly started: Promise<void>;
  /** The command's exit code; 137 where the container was killed. Never rejects. */
  readonly ended: Promise<number>;
  readonly #child: ChildProcess;

  constructor(spec: InitSpec, keeper: number, namespaces: OwnNamespaces) {
    const [command, ...words] = initWords(keeper, namespaces);
    const program = fileURLToPath(new URL('./init.js', import.meta.url));
    const child = spawn(command, [...words, process.execPath, program], {
      // What the programs in between have to say is no word of the command, whose standard error comes last.
      stdio: ['inherit', 'inherit', 'pipe', 'ipc', 2],
      // The container can read the environment of its first process.
      env: { PATH: process.env['PATH'], MICA_WITHOUT: process.env['MICA_WITHOUT'] },
    });
    this.#child = child;
    let code = KILLED;
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    this.started = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.on('message', (message) => {
        const report = message as InitReport;
        if ('made' in report) this.made = report.made;
        else if ('started' in report) resolve();
        else if ('ended' in report) code = report.ended;
        else reject(failure(report));
      });
      child.once('close', (exit, signal) => {
        const why = said.trim().split('\n')[0] || `its first process ended (${signal ?? `exit ${exit}`})`;
        reject(new StoreError('failed', 'cannot start the container', why, { hint: 'mica doctor' }));
      });
    });
    // Who gave up before that does not wait for it.
    this.started.catch(() => undefined);
    this.ended = new Promise((resolve) => {
      child.once('exit', () => resolve(code));
      child.once('error', () => resolve(code));
    });
    // What it was not told it will never be told: its end says why.
    child.send(spec, () => undefined);
  }

  /** As the machine counts; where that is not known, the process that waits for it and ends with it. */
  get pid(): number {
    const pid = this.#child.pid ?? 0;
    return childOf(pid) ?? pid;
  }

  /** Hands a signal to the command. */
  signal(signal: NodeJS.Signals): void {
    const message: ToInit = { signal };
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  /** Kills every process of the container. */
  async kill(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.ended;
  }
}

const KILLED = 128 + 9;

function failure({ error, code }: Extract<InitReport, { readonly error: object }>): Error {
  const cause = asStoreError(error);
  return code === undefined ? cause : new NotStarted(code, cause);
}

function childOf(pid: number): number | undefined {
  try {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ');
    return child === undefined || child === '' ? undefined : Number(child);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Ended, or a kernel that does not tell (CONFIG_PROC_CHILDREN).
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
