import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { EventStream, EventTap } from '../../../fs/index.js';
import { ringBytes } from '../../../fs/union/event-ring.js';
import type { EventFilter } from '../../../src/mounts/event-filter.js';
import { Sums } from '../../../src/mounts/sums.js';

const ALL: EventFilter = { under: '', failed: false };

function summing(askedMs?: number, capacity = 64) {
  const memory = new ArrayBuffer(ringBytes(capacity));
  const stream = new EventStream(capacity, memory);
  const watched: boolean[] = [];
  const tap = new EventTap(memory, async (requests) => watched.push(requests));
  const sums = new Sums({ ask: (request) => tap.answer(request) }, askedMs);
  const look = (path: string) => stream.emit({ kind: 'request', operation: 'lookup', path, durationNs: 5 });
  const ask = (id: string, words: object = {}) =>
    sums.answer({ id, filter: ALL, past: false, waitMs: 0, ends: false, ...words });
  const end = () => {
    tap.end();
    return sums.end();
  };
  return { ask, look, stream, watched, end };
}

/** Until it listens, nothing is summed up for it. */
const listening = () => sleep(20);

test('what came between the first and the last question is summed up, and nothing is recorded after that', async () => {
  const { ask, look, stream, watched } = summing();
  look('before');
  expect(await ask('a')).toMatchObject({ events: 0 });
  await listening();
  look('one');
  stream.emit({ kind: 'whiteout', path: 'two' });
  expect(await ask('a', { ends: true })).toMatchObject({
    events: 2,
    lost: 0,
    requests: { lookup: { count: 1, totalNs: 5 } },
    kinds: { whiteout: 1 },
  });
  expect(watched).toEqual([true, false]);
});

test('the past is summed up for who asks for it, and each sum is its own', async () => {
  const { ask, look } = summing();
  for (const path of ['d/a', 'd/b', 'c']) look(path);
  const past = { past: true, filter: { ...ALL, under: 'd' } };
  await ask('past', past);
  await ask('now');
  await listening();
  look('d/c');
  expect(await ask('past', { ...past, ends: true })).toMatchObject({ events: 3 });
  expect(await ask('now', { ends: true })).toMatchObject({ events: 1 });
});

test('no more are summed up than are asked for', async () => {
  const { ask, look } = summing();
  await ask('a', { atMost: 2 });
  await listening();
  for (const path of ['one', 'two', 'three']) look(path);
  expect(await ask('a', { atMost: 2, ends: true })).toMatchObject({ events: 2 });
});

test('who waits is answered when as many as he asks for are summed up', async () => {
  const { ask, look } = summing();
  const answer = ask('a', { atMost: 2, waitMs: 100_000 });
  await listening();
  for (const path of ['one', 'two', 'three']) look(path);
  expect(await answer).toMatchObject({ events: 2 });
});

test.for([
  ['of requests', {}],
  ['of changes alone', { filter: { ...ALL, only: ['whiteout'] } }],
] as const)(
  'who waits for a sum %s is answered with all that came when the mount is over',
  async ([, words]) => {
    const { ask, stream, end } = summing();
    const answer = ask('a', { waitMs: 100_000, ...words });
    await listening();
    for (const path of ['one', 'two']) stream.emit({ kind: 'whiteout', path });
    await end();
    expect(await answer).toMatchObject({ events: 2, kinds: { whiteout: 2 } });
  },
);

test('who does not ask for a while is not summed up for, keeps what was, and goes on when he asks again', async () => {
  const { ask, look, watched } = summing(50);
  await ask('a');
  await listening();
  look('one');
  while (watched.at(-1) !== false) await sleep(10);
  await ask('a');
  await listening();
  look('two');
  expect(await ask('a', { ends: true })).toMatchObject({ events: 2, lost: 0 });
});

test('events that came faster than they could be fetched are counted as lost', async () => {
  const { ask, look } = summing(undefined, 4);
  await ask('a');
  await listening();
  for (let n = 0; n < 7; n++) look(`${n}`);
  expect(await ask('a', { ends: true })).toMatchObject({ events: 4, lost: 3 });
});

test('of those who never ask again the first are given up', async () => {
  const { ask, look } = summing();
  for (let n = 0; n <= 16; n++) await ask(`${n}`);
  await listening();
  look('one');
  // It begins anew.
  expect(await ask('0', { ends: true })).toMatchObject({ events: 0 });
  expect(await ask('1', { ends: true })).toMatchObject({ events: 1 });
});
