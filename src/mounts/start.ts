// Starts a mount host and waits until its mount is live, or relays why it is not.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ErrorKind, StoreError } from '../errors.js';
import type { HostReport, HostSpec } from './host-spec.js';
import { type MountRow, MountTable } from './table.js';

/** The row of a mount that is live, served by a process of its own in a session of its own. */
export async function startHost(spec: HostSpec): Promise<MountRow> {
  const log = new MountTable(spec.state).logFor(spec.target);
  const stderr = openSync(log, 'a', 0o600);
  let child: ChildProcess;
  try {
    child = spawn(process.execPath, [fileURLToPath(new URL('./host.js', import.meta.url))], {
      // The host keeps no folder busy, holds no pipe of the caller, and is reached by no terminal's signals.
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'ignore', stderr, 'ipc'],
    });
  } finally {
    closeSync(stderr);
  }
  try {
    const answer = await firstReport(child, { ...spec, log });
    if ('live' in answer) return answer.live;
    const { kind, what, why, hint } = answer.error;
    throw new StoreError(kind as ErrorKind, what, why, hint === undefined ? {} : { hint });
  } catch (error) {
    throw withLog(error, spec, log);
  } finally {
    if (child.connected) child.disconnect();
    child.unref();
  }
}

function firstReport(child: ChildProcess, spec: HostSpec): Promise<HostReport> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('message', (message) => resolve(message as HostReport));
    child.once('exit', (code, signal) => reject(new Error(`its server ended (${signal ?? `exit ${code}`})`)));
    child.send(spec);
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
