// Starts a host for one mount and waits until that is live, or relays why it is not. A host takes as long to begin as a
// command takes to find out what it is to mount, so that it may be begun first and told later.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { StoreError } from '../errors.js';
import { rowOf } from './host-report.js';
import type { Host, HostReport, HostSpec } from './host-spec.js';
import { type MountRow, MountTable } from './table.js';

/** What is to serve a mount, and waits to be told which. Whoever has it gives it a spec, once, or dismisses it. */
export interface MountHost extends Host {
  /** If it still waits it was not needed. */
  dismiss(): void;
}

/** A process for one mount. */
export class BegunHost implements MountHost {
  readonly #child: ChildProcess;
  readonly #log: string;
  readonly #report: Promise<HostReport>;
  #isWaiting = true;

  /** Of a mount at `target` (absolute, without symlinks) by a transport, in a state folder that is there. */
  constructor(state: string, target: string, transport: string) {
    this.#log = new MountTable(state).logFor(target);
    const stderr = openSync(this.#log, 'a', 0o600);
    try {
      const program = fileURLToPath(new URL('./host.js', import.meta.url));
      this.#child = spawn(process.execPath, [program, transport, this.#log], {
        // The host keeps no folder busy, holds no pipe of the caller, and is reached by no terminal's signals.
        cwd: '/',
        detached: true,
        stdio: ['ignore', 'ignore', stderr, 'ipc'],
        // It talks to nobody who shows a certificate, and reading those takes Node longer than all else at its start.
        env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined },
      });
    } finally {
      closeSync(stderr);
    }
    this.#report = firstReport(this.#child);
    // Whoever dismisses it does not wait for this.
    this.#report.catch(() => undefined);
  }

  async serve(spec: HostSpec): Promise<MountRow> {
    this.#isWaiting = false;
    try {
      this.#child.send({ ...spec, log: this.#log });
      const row = rowOf(await this.#report);
      if (spec.tied === true) this.#holdOn();
      else this.#letGo();
      return row;
    } catch (error) {
      this.#letGo();
      throw withLog(error, spec, this.#log);
    }
  }

  dismiss(): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    rmSync(this.#log, { force: true });
    this.#letGo();
  }

  /** The channel stays, for its end to be noticed; it keeps nobody from ending. */
  #holdOn(): void {
    this.#child.channel?.unref();
    this.#child.unref();
  }

  #letGo(): void {
    if (this.#child.connected) this.#child.disconnect();
    this.#child.unref();
  }
}

/** As `BegunHost.serve` of a host that is begun now. */
export function startHost(spec: HostSpec): Promise<MountRow> {
  return new BegunHost(spec.state, spec.target, spec.transport).serve(spec);
}

function firstReport(child: ChildProcess): Promise<HostReport> {
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.once('message', (message) => resolve(message as HostReport));
    child.once('exit', (code, signal) => reject(new Error(`its server ended (${signal ?? `exit ${code}`})`)));
  });
}

/** A host that died without a word may have left one in its log. */
function withLog(error: unknown, spec: HostSpec, log: string): unknown {
  const text = readFileSync(log, 'utf8').trim();
  rmSync(log, { force: true });
  if (error instanceof StoreError) return error;
  const why = error instanceof Error ? error.message : String(error);
  const said = text === '' ? why : `${why}: ${text.split('\n')[0]}`;
  return new StoreError('failed', `cannot mount at ${spec.target}`, said, {
    cause: error,
    hint: 'mica doctor',
  });
}
