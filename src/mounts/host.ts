// The mount host: a process of its own that serves one FUSE mount and outlives whoever started it. It makes ready what
// every mount needs, gets its spec over the IPC channel, answers once with the live mount or the reason against it, and
// lets go of the channel. SIGTERM and SIGINT unmount; so does a starter that goes away before the answer.

import { rmSync } from 'node:fs';
import { StoreError } from '../errors.js';
import type { HostReport, HostSpec } from './host-spec.js';
import { prepareToServe, serveMount } from './serve.js';

function report(answer: HostReport): Promise<void> {
  return new Promise((resolve, reject) => {
    if (process.send === undefined) {
      reject(new Error('this program is started by mica, not by hand'));
      return;
    }
    process.send(answer, undefined, undefined, (error) => (error === null ? resolve() : reject(error)));
  });
}

async function run(spec: HostSpec): Promise<void> {
  // The shell's end is not the mount's.
  process.on('SIGHUP', () => undefined);
  const mount = await serveMount(spec).catch(async (error: unknown) => {
    await report({ error: plain(error) });
    return undefined;
  });
  if (mount === undefined) {
    process.disconnect?.();
    process.exitCode = 1;
    return;
  }
  let asked = false;
  const end = (): void => {
    // The second time, or when files are still open: out of sight now, and gone with its last user.
    void mount.unmount(asked).catch(() => mount.unmount(true));
    asked = true;
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, end);
  await report({ live: mount.row }).catch(end);
  if (process.connected) process.disconnect?.();
  await mount.ended;
}

function plain(error: unknown): Extract<HostReport, { error: object }>['error'] {
  if (error instanceof StoreError) {
    const { kind, what, why, hint } = error;
    return { kind, what, why, ...(hint === undefined ? {} : { hint }) };
  }
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  return {
    kind: 'failed',
    what: 'cannot mount',
    why: error instanceof Error ? error.message : String(error),
  };
}

const [transport = 'auto', log] = process.argv.slice(2);
prepareToServe(transport);

/** Nothing but the waiting for it keeps this process. */
const onNoSpec = (): void => {
  if (log !== undefined) rmSync(log, { force: true });
};
if (process.connected) process.once('disconnect', onNoSpec);
else onNoSpec();
process.once('message', (spec) => {
  process.off('disconnect', onNoSpec);
  run(spec as HostSpec).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = 1;
  });
});
