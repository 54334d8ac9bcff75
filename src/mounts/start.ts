// Starts a mount host and waits until its mount is live, or relays why it is not. A host takes as long to begin as a
// command takes to find out what it is to mount, so that it may be begun first and told later.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ErrorKind, StoreError } from '../errors.js';
import { ensureStateFolder } from '../root-folder.js';
import type { HostReport, HostSpec } from './host-spec.js';
import { type MountRow, MountTable } from './table.js';

/** A host that waits for its spec. Whoever began it gives it one, or dismisses it. */
export class BegunHost {
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

  /** The row of a mount that is live, served by a process of its own in a session of its own. */
  async serve(spec: HostSpec): Promise<MountRow> {
    this.#isWaiting = false;
    try {
      this.#child.send({ ...spec, log: this.#log });
      const answer = await this.#report;
      if ('live' in answer) return answer.live;
      const { kind, what, why, hint } = answer.error;
      throw new StoreError(kind as ErrorKind, what, why, hint === undefined ? {} : { hint });
    } catch (error) {
      throw withLog(error, spec, this.#log);
    } finally {
      this.#letGo();
    }
  }

  /** If it still waits it was not needed, and ends. */
  dismiss(): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    rmSync(this.#log, { force: true });
    this.#letGo();
  }

  #letGo(): void {
    if (this.#child.connected) this.#child.disconnect();
    this.#child.unref();
  }
}

/**
 * A host for a mount that is about to be asked for at the folder `target`; undefined where something stands against it,
 * which is found and named by whoever mounts.
 */
export function hostAhead(state: string, target: string, transport: string): BegunHost | undefined {
  if (!existsSync('/dev/fuse') || (transport !== 'auto' && transport !== 'device')) return undefined;
  try {
    const place = realpathSync(resolve(target));
    ensureStateFolder(state);
    return new BegunHost(state, place, transport);
  } catch (error) {
    if (error instanceof StoreError || typeof (error as NodeJS.ErrnoException).code === 'string')
      return undefined;
    throw error;
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
