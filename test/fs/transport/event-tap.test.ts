import { expect, test } from 'vitest';
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
