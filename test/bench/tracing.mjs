// What a mount loses while somebody traces it: the same work with and without `mica trace`, in turn on one mount. One trace is
// there all the time; where it is not to listen it is stopped, and the server told that nobody does. It asks the server when it goes
// on, and then every 160 ms: a turn lasts some of these, else that first one would weigh more than in a trace that is not stopped.
// Turns follow each other at once, because the machine is not the same one for long: which processors the kernel gives to the
// program at work and to the thread that serves it makes a third of the time.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertEqual, timed } from './measure.mjs';

/** Of two works, one traced and one not. */
const TURNS = 16;
/** A tenth of the turns, the slowest ones, is left out: the machine stood still in them. */
const COUNTED = 0.9;
const FILES = 2000;
/** What is measured is a mount that is traced, not the first moments of a mount or a trace. */
const FIRST_TURNS = 6;
/** The trace begins before the work does. */
const BEGIN_MS = 700;

/** Files are made, written and removed, as a program at work does it. */
function work(folder) {
  mkdirSync(folder);
  return timed(() => {
    for (let n = 0; n < FILES; n++) {
      const fd = openSync(join(folder, `f${n}`), 'w');
      writeSync(fd, 'content\n');
      closeSync(fd);
    }
    rmSync(folder, { recursive: true });
  });
}

/** A trace that sums up; `listen` and `pause` resolve when it does, and no longer does. */
async function traceOf({ mica, mountPoint, state, connect }) {
  const words = ['--state', state, '--json', 'trace', mountPoint, '--summary'];
  const child = spawn(process.execPath, [mica, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (data) => {
    text += data;
  });
  await sleep(BEGIN_MS);
  const control = await connect();
  const tell = (requests) => control.ask({ op: 'events', since: Number.MAX_SAFE_INTEGER, requests });
  return {
    async listen() {
      await tell(true);
      child.kill('SIGCONT');
    },
    async pause() {
      child.kill('SIGSTOP');
      while (!isStopped(child.pid)) await sleep(0);
      await tell(false);
    },
    /** Its summary. */
    async end() {
      control.close();
      const ended = once(child, 'close');
      child.kill('SIGCONT');
      child.kill('SIGINT');
      assertEqual('exit of the trace', (await ended)[0], 0);
      return JSON.parse(text);
    },
  };
}

function isStopped(pid) {
  return / T /.test(readFileSync(`/proc/${pid}/stat`, 'latin1').slice(0, 40));
}

/** The sums of the trace are held to what was done. */
async function share(given) {
  const trace = await traceOf(given);
  const turns = [];
  for (let n = 0; n < FIRST_TURNS + TURNS; n++) {
    const turn = {};
    for (const how of n % 2 === 0 ? ['alone', 'traced'] : ['traced', 'alone']) {
      await (how === 'traced' ? trace.listen() : trace.pause());
      turn[how] = work(join(given.mountPoint, `${how}${n}`));
    }
    if (n >= FIRST_TURNS) turns.push(turn);
  }
  const { requests, lost } = await trace.end();
  const made = (FIRST_TURNS + TURNS) * FILES;
  assertEqual(
    'files that the trace saw made, and events lost',
    `${requests.create?.count},${lost}`,
    `${made},0`,
  );
  const counted = turns
    .toSorted((a, b) => a.alone + a.traced - b.alone - b.traced)
    .slice(0, Math.ceil(COUNTED * TURNS));
  const seconds = (how) => counted.reduce((sum, turn) => sum + turn[how], 0);
  return { ratio: seconds('traced') / seconds('alone') };
}

export const TRACING = [
  {
    name: 'work that is traced, against work that is not',
    fixture: '2',
    run: share,
    only: ['plain', 'store'],
    measures: { ratio: { unit: 'x', targets: [{ ours: 'micafs', atMost: 1.05 }] } },
  },
];
