// The mount host: a process of its own that serves one FUSE mount and outlives whoever started it. It makes ready what
// every mount needs, gets its spec over the IPC channel, answers once with the live mount or the reason against it, and
// lets go of the channel, unless the mount is tied to its starter. SIGTERM and SIGINT unmount; so does a starter that goes
// away before the answer, or at any time from a mount that is tied to it.

import { rmSync } from 'node:fs';
import { endOnSignal } from './end-mount.js';
import { faultText, refusal } from './host-report.js';
import type { HostReport, HostSpec } from './host-spec.js';
import { closeInherited } from './inherited-files.js';
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
    await report(refusal(error, say));
    return undefined;
  });
  if (mount === undefined) {
    letGo();
    process.exitCode = 1;
    return;
  }
  const end = endOnSignal(mount, say);
  await report({ live: mount.row }).catch(end);
  // The kernel closes the channel with a starter that is killed.
  if (spec.tied !== true) letGo();
  else if (process.connected) process.once('disconnect', end);
  else end();
  await mount.ended;
  process.off('disconnect', end);
  letGo();
}

function letGo(): void {
  if (process.connected) process.disconnect?.();
}

function say(text: string): void {
  process.stderr.write(text);
}

const [transport = 'auto', log] = process.argv.slice(2);
// After the channel to who started it.
closeInherited(4);
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
    say(`${faultText(error)}\n`);
    process.exitCode = 1;
  });
});
