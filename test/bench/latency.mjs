// What a mount answers while it does something long: the time of stat(2) on names that nobody asked for before, from
// another process, as long as a program waits for a write into a file of 2 GiB below, or for fsync of one above. Some
// are asked for before, because what is met for the first time by a mount takes longer, and some in any case, because
// of few the slowest is all that there is to tell.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LATENCY_NAMES } from './layers.mjs';
import { assertEqual, percentile, shell } from './measure.mjs';

const BEFORE = 300;
const AT_LEAST = 300;

/** How long stat takes on a name, in ms. */
function timeOf(mountPoint, n) {
  const start = process.hrtime.bigint();
  const found = statSync(join(mountPoint, `names/d${n % 100}/f${n}`));
  const milliseconds = Number(process.hrtime.bigint() - start) / 1e6;
  assertEqual(`size of f${n}`, found.size, 0);
  return milliseconds;
}

async function whileRunning(script, { mountPoint }) {
  for (let n = 0; n < BEFORE; n++) timeOf(mountPoint, n);
  const busy = spawn('sh', ['-c', script, 'sh', join(mountPoint, 'huge'), join(mountPoint, 'new')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const milliseconds = [];
  const exit = once(busy, 'exit');
  let running = true;
  void exit.then(() => {
    running = false;
  });
  for (let n = BEFORE; (running || milliseconds.length < AT_LEAST) && n < LATENCY_NAMES; n++) {
    milliseconds.push(timeOf(mountPoint, n));
    await sleep(1);
  }
  assertEqual('exit code', (await exit)[0], 0);
  return { p50: percentile(milliseconds, 0.5), p99: percentile(milliseconds, 0.99) };
}

async function copyUp(given) {
  const values = await whileRunning('printf x | dd of="$1" bs=1 seek=99999 conv=notrunc 2>/dev/null', given);
  const path = join(given.mountPoint, 'huge');
  assertEqual('size', statSync(path).size, 2 * given.sizes.big);
  assertEqual('byte', shell('tail -c +100000 "$1" | head -c 1', path).out, 'x');
  return values;
}

async function sync(given) {
  const path = join(given.mountPoint, 'new');
  const size = 2 * given.sizes.big;
  shell(`head -c ${size} /dev/zero > "$1"`, path);
  const values = await whileRunning('sync "$2"', given);
  assertEqual('size', statSync(path).size, size);
  return values;
}

// Uppers lie on a disk here, because a tmpfs has nothing to sync; that is so for a store.
const workload = (name, run) => ({
  name: `latency of stat during ${name}`,
  fixture: 'latency',
  upperOnDisk: true,
  not: ['view'],
  run,
  measures: {
    p50: { unit: 'ms' },
    p99: { unit: 'ms', targets: ['micafs', 'store'].map((ours) => ({ ours, atMost: 5 })) },
  },
});

export const LATENCY = [workload('copy-up of 2 GiB', copyUp), workload('fsync of 2 GiB', sync)];
