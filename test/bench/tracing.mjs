// What a mount loses while somebody traces it: the same work with and without `mica trace`, in turn on one mount, each time
// with a trace of its own. Turns follow each other, because the machine is not the same one for long: which processors the
// kernel gives to the program at work and to the thread that serves it makes a third of the time.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertEqual, timed } from './measure.mjs';

/** Of two works, one traced and one not. */
const TURNS = 16;
/** A tenth of the turns, the slowest ones, is left out: the machine stood still in them. */
const COUNTED = 0.9;
const FILES = 2000;
/** What is measured is a mount that is traced, not the first moments of a mount. */
const FIRST_TURNS = 4;
/** The trace begins before the work does, which begins on a machine at rest without one, too. */
const BEGIN_MS = 1500;

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

/** A trace that sums up; `end` resolves to its summary. */
function startTrace({ mica, mountPoint, state }) {
  const words = ['--state', state, '--json', 'trace', mountPoint, '--summary'];
  const child = spawn(process.execPath, [mica, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (data) => {
    text += data;
  });
  return {
    async end() {
      const ended = once(child, 'close');
      child.kill('SIGINT');
      assertEqual('exit of the trace', (await ended)[0], 0);
      return JSON.parse(text);
    },
  };
}

/** The sums of the traces are held to what was done. */
async function share(given) {
  const turns = [];
  for (let n = 0; n < FIRST_TURNS + TURNS; n++) {
    const turn = {};
    for (const how of n % 2 === 0 ? ['alone', 'traced'] : ['traced', 'alone']) {
      const trace = how === 'traced' ? startTrace(given) : undefined;
      await sleep(BEGIN_MS);
      turn[how] = work(join(given.mountPoint, `${how}${n}`));
      if (trace === undefined) continue;
      const { requests, lost } = await trace.end();
      const seen = `${requests.create?.count},${lost}`;
      assertEqual('files that the trace saw made, and events lost', seen, `${FILES},0`);
    }
    if (n >= FIRST_TURNS) turns.push(turn);
  }
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
