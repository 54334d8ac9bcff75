// Loaded into the server of a mount (`node --import`) before all else: who looks for a name in the mount commands
// what becomes of the calls after it. `.kill-N`: the process ends before the N-th change on disk from then on, 0 being
// the next one. Each name is asked for once, because the kernel keeps what it does not find.

import { arm, type Call, type Verdict } from './libc.js';

let changesLeft = Number.POSITIVE_INFINITY;

function judge({ kind, path }: Call): Verdict {
  const asked = /^\.kill-(\d+)$/.exec(path)?.[1];
  if (asked !== undefined) changesLeft = Number(asked);
  if (kind !== 'change' || changesLeft-- > 0) return undefined;
  process.kill(process.pid, 'SIGKILL');
  // The signal ends this thread on its way out of the call, or a moment later.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

arm(judge);
