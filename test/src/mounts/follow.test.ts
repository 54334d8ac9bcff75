import { expect, test } from 'vitest';
import { EventStream, EventTap } from '../../../fs/index.js';
import { ringBytes } from '../../../fs/union/event-ring.js';
import { StoreError } from '../../../src/errors.js';
import { memoryControl } from '../../../src/mounts/control-socket.js';
import { follow } from '../../../src/mounts/follow.js';

function served(capacity = 4) {
  const memory = new ArrayBuffer(ringBytes(capacity));
  const stream = new EventStream(capacity, memory);
  const tap = new EventTap(memory, async () => undefined);
  const asked: (boolean | undefined)[] = [];
  let isGone = false;
  const server = memoryControl(async (request) => {
    if (isGone) throw new StoreError('failed-precondition', 'cannot ask', 'it is gone');
    if (request.op !== 'events') throw new Error(`unexpected ${request.op}`);
    asked.push(request.requests);
    return tap.answer(request);
  });
  return {
    stream,
    server,
    asked,
    leave: () => {
      isGone = true;
    },
  };
}

test('events are handed over in order, with the number of those that came too fast', async () => {
  const { stream, server, asked } = served();
  const end = new AbortController();
  const seen: (number | string)[] = [];
  stream.emit({ kind: 'settle', path: 'before' });
  for await (const { events, lost } of follow(server, { requests: true, signal: end.signal })) {
    if (lost > 0) seen.push(`${lost} lost`);
    for (const { seq } of events) seen.push(seq);
    if (seen.length === 0) stream.emit({ kind: 'settle', path: 'first' });
    else if (seen.length === 1) for (let i = 0; i < 6; i++) stream.emit({ kind: 'settle', path: `${i}` });
    else end.abort();
  }
  expect(seen).toEqual([2, '2 lost', 5, 6, 7, 8]);
  expect(asked.at(-1)).toBe(false);
  expect(asked.slice(0, -1).every((one) => one === true)).toBe(true);
});

test('it begins with what the server has kept where it is asked to, and asks for no requests then', async () => {
  const { stream, server, asked } = served();
  const end = new AbortController();
  const seen: string[] = [];
  stream.emit({ kind: 'whiteout', path: 'f' });
  for await (const { events } of follow(server, { requests: false, signal: end.signal, since: 0 })) {
    for (const { path } of events) seen.push(path);
    if (seen.length === 1) stream.emit({ kind: 'whiteout', path: 'last' });
    end.abort();
  }
  expect(seen).toEqual(['f', 'last']);
  expect(new Set(asked)).toEqual(new Set([undefined]));
});

test('the end of the mount ends it', async () => {
  const { server, leave } = served();
  const end = new AbortController();
  for await (const _ of follow(server, { requests: true, signal: end.signal })) leave();
  expect(end.signal.aborted).toBe(false);
});

test('who can take no more now gets nothing, is still followed, and is told later how many were lost', async () => {
  const { stream, server, asked } = served();
  const end = new AbortController();
  const seen: (number | string)[] = [];
  let looks = 0;
  const canTake = () => {
    looks++;
    if (looks > 1 && looks < 4) for (let i = 0; i < 3; i++) stream.emit({ kind: 'settle', path: `${i}` });
    return looks === 1 || looks > 4;
  };
  for await (const { events, lost } of follow(server, { requests: true, signal: end.signal, canTake })) {
    if (lost > 0) seen.push(`${lost} lost`);
    for (const { seq } of events) seen.push(seq);
    if (seen.length > 0) end.abort();
  }
  expect(seen).toEqual(['2 lost', 3, 4, 5, 6]);
  // The first question, one at each look, and the last.
  expect(asked).toEqual([true, true, true, true, true, true, false]);
});
