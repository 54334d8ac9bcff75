// What a mount loses while somebody traces it: the same work with and without `mica trace`, in turn on one mount.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertEqual, median, timed } from './measure.mjs';

const TURNS = 11;
const FILES = 1500;
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

/** The second time counts: what is measured is a mount that is traced, not the first moments of a trace. */
function workTwice(folder) {
  work(`${folder}-first`);
  return work(folder);
}

/** Runs the work under a trace that sums up, and holds its sums to what was done. */
async function traced({ mica, mountPoint, state }, folder) {
  const words = ['--state', state, '--json', 'trace', mountPoint, '--summary'];
  const child = spawn(process.execPath, [mica, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (data) => {
    text += data;
  });
  await sleep(BEGIN_MS);
  const seconds = workTwice(folder);
  const ended = once(child, 'close');
  child.kill('SIGINT');
  assertEqual('exit of the trace', (await ended)[0], 0);
  const { requests, lost } = JSON.parse(text);
  assertEqual(
    'files that the trace saw made, and events lost',
    [requests.create?.count, lost].join(),
    `${2 * FILES},0`,
  );
  return seconds;
}

/** Each turn is compared with itself, because the machine is not the same one for long. */
async function share(given) {
  const ratios = [];
  for (let n = 0; n < TURNS; n++) {
    const place = (name) => join(given.mountPoint, `${name}${n}`);
    const before = n % 2 === 0 ? workTwice(place('alone')) : undefined;
    const watched = await traced(given, place('traced'));
    ratios.push(watched / (before ?? workTwice(place('alone'))));
  }
  return { ratio: median(ratios) };
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
