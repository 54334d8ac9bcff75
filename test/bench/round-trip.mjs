// What one request costs that nobody has work with: an attribute is asked for that no file has. Where a workload takes
// the least number of requests that the protocol allows, this times that number is what it cannot be faster than.
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { sys } from '../../dist/fs/index.js';
import { assertEqual, median, timed } from './measure.mjs';

const TURNS = 5;
const TIMES = 4000;

async function ask(given) {
  const path = join(given.mountPoint, 'asked');
  mkdirSync(path);
  const fd = openSync(path, 'r');
  try {
    const before = await given.requests?.();
    const turn = () =>
      timed(() => {
        for (let n = 0; n < TIMES; n++)
          assertEqual('attribute', sys.getXattr(fd, 'user.bench-none'), undefined);
      });
    const seconds = Array.from({ length: TURNS }, turn);
    const asked = (await given.requests?.()) - before;
    // The kernel remembers no attributes, or this would measure its memory.
    if (before !== undefined) assertEqual('requests', asked >= TURNS * TIMES, true);
    return { microseconds: (median(seconds) / TIMES) * 1e6 };
  } finally {
    closeSync(fd);
  }
}

export const ROUND_TRIP = [
  {
    name: 'a request without work',
    fixture: '2',
    run: ask,
    not: ['view'],
    measures: { microseconds: { unit: 'us', targets: [] } },
  },
];
