// Serves one mount after another in one process, so that a remount does not cost the start of a process. A line
// on stdin is `{mount: MountRequest}`, answered when it serves, or a control request of that mount (`{op: "stop"}`
// unmounts it); each is answered by one line.

import { createInterface } from 'node:readline';
import { deviceTransport } from '../../dist/fs/index.js';

let running;

function onFault({ operation, stack, message }) {
  process.stderr.write(`fault in ${operation}: ${stack ?? message}\n`);
}

async function answer(asked) {
  if (asked.mount !== undefined) {
    running = await deviceTransport.start({ ...asked.mount, onFault });
    await running.live;
    return {};
  }
  if (asked.op !== 'stop') return running.control(asked);
  await running.unmount();
  const end = await running.ended;
  running = undefined;
  return end.how === 'failed' ? { error: end.error.message } : {};
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    answer(JSON.parse(line))
      .catch((error) => ({ error: `${error.message} (errno ${error.errno})` }))
      .then((told) => process.stdout.write(`${JSON.stringify(told)}\n`));
  })
  // A mount whose callers are gone keeps nobody waiting.
  .on('close', () => running?.unmount());
