// Loaded into the server of a mount (`node --import`) before all else: who looks for a name in the mount commands
// what becomes of the calls after it. `.kill-N`: the process ends before the N-th change on disk from then on, 0 being
// the next one. `.fail-N-ERRNO`: that change fails. Each name is asked for once, because the kernel keeps what it does not find.

import { arm, type Call, type Verdict } from './libc.js';

let changesLeft = Number.POSITIVE_INFINITY;
let errno: number | undefined;

function judge({ kind, path }: Call): Verdict {
  const asked = /^\.(?:kill-(\d+)|fail-(\d+)-(\d+))$/.exec(path);
  if (asked !== null) {
    changesLeft = Number(asked[1] ?? asked[2]);
    errno = asked[3] === undefined ? undefined : Number(asked[3]);
  }
  if (kind !== 'change' || changesLeft-- > 0) return undefined;
  if (errno !== undefined) {
    changesLeft = Number.POSITIVE_INFINITY;
    return errno;
  }
  process.kill(process.pid, 'SIGKILL');
  // The signal ends this thread on its way out of the call, or a moment later.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

arm(judge);
