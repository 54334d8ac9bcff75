import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ENOTCONN } from '../../../fs/errno.js';
import { Deferred } from '../../../fs/transport/deferred.js';
import { EventTap, eventBuffer, eventsOf } from '../../../fs/transport/event-tap.js';
import { EventStream } from '../../../fs/union/event-stream.js';

function make(watchedMs?: number) {
  const memory = eventBuffer();
  const told: boolean[] = [];
  const watch = async (requests: boolean) => void told.push(requests);
  return { stream: new EventStream(16_384, memory), tap: new EventTap(memory, watch, watchedMs), told };
}

test('the server is told to begin with requests, and to end, but not at each question', async () => {
  const { stream, tap, told } = make();
  stream.emit({ kind: 'settle', path: 'd' });
  const reply = await tap.answer({ since: 0 });
  expect([...eventsOf(reply)]).toMatchObject([{ kind: 'settle', path: 'd', seq: 1 }]);
  expect(told).toEqual([]);
  for (const requests of [true, true, false, false]) await tap.answer({ since: 1, requests });
  expect(told).toEqual([true, false]);
});

test('who asks for requests, and then no more, leaves the server without them', async () => {
  const { tap, told } = make(1);
  await tap.answer({ since: 0, requests: true });
  await expect.poll(() => told).toEqual([true, false]);
  await tap.answer({ since: 0, requests: true });
  expect(told.slice(0, 3)).toEqual([true, false, true]);
});

test('who asks while another has just asked is answered when requests are recorded, too', async () => {
  const memory = eventBuffer();
  const stream = new EventStream(16, memory);
  const begin = new Deferred<void>();
  const tap = new EventTap(memory, () => begin.promise);
  const answered: number[] = [];
  const ask = async (asker: number): Promise<void> => {
    await tap.answer({ since: stream.lastSeq, requests: true });
    answered.push(asker);
  };
  const both = Promise.all([ask(1), ask(2)]);
  await setImmediate();
  expect(answered).toEqual([]);
  begin.resolve();
  await both;
  expect(answered).toEqual([1, 2]);
});

test('of a mount that is over what was kept is told, and nobody is told to go on', async () => {
  const { stream, tap, told } = make();
  await tap.answer({ since: 0, requests: true });
  stream.emit({ kind: 'settle', path: 'last' });
  tap.end();
  for (const requests of [true, false])
    await expect(tap.answer({ since: 0, requests })).rejects.toMatchObject({ errno: ENOTCONN });
  expect([...eventsOf(await tap.answer({ since: 0 }))]).toMatchObject([{ path: 'last' }]);
  expect(told).toEqual([true]);
});

test('where requests could not be recorded the next asker has the server told again', async () => {
  const told: boolean[] = [];
  const tap = new EventTap(eventBuffer(), async (requests) => {
    told.push(requests);
    if (told.length === 1) throw new Error('not now');
  });
  await expect(tap.answer({ since: 0, requests: true })).rejects.toThrow('not now');
  await tap.answer({ since: 0, requests: true });
  expect(told).toEqual([true, true]);
});
