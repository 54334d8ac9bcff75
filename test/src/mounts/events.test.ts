// The stream itself, and readers of it through a control connection in memory and on a socket.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EventStream, EventTap, eventsOf, type UnionEvent } from '../../../fs/index.js';
import { ringBytes } from '../../../fs/union/event-ring.js';
import type { ControlClient, ControlHandler } from '../../../src/mounts/control.js';
import { connectControl, memoryControl, serveControl } from '../../../src/mounts/control-socket.js';
import { type EventsUnderTest, eventsSuite } from '../../suites/events.js';

const CAPACITY = 8;

interface Told {
  readonly stream: EventStream;
  readonly handler: ControlHandler;
}

function told(): Told {
  const memory = new SharedArrayBuffer(ringBytes(CAPACITY));
  const tap = new EventTap(memory, async () => undefined);
  return {
    stream: new EventStream(CAPACITY, memory),
    handler: async (request) => {
      if (request.op !== 'events') throw new Error(`unexpected ${request.op}`);
      return tap.answer(request);
    },
  };
}

function through(stream: EventStream, client: ControlClient, close: () => Promise<void>): EventsUnderTest {
  return {
    capacity: CAPACITY,
    emit: (event) => stream.emit(event),
    since: async (since) => {
      const reply = await client.ask({ op: 'events', since });
      return { events: [...eventsOf(reply)], lastSeq: reply.lastSeq };
    },
    close: async () => {
      client.close();
      await close();
    },
  };
}

eventsSuite('the stream', async () => {
  const stream = new EventStream(CAPACITY);
  return {
    capacity: CAPACITY,
    emit: (event) => stream.emit(event),
    since: async (seq) => ({ events: stream.since(seq), lastSeq: stream.lastSeq }),
    close: async () => undefined,
  };
});

eventsSuite('control in memory', async () => {
  const { stream, handler } = told();
  return through(stream, memoryControl(handler), async () => undefined);
});

eventsSuite('control socket', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mica-events-'));
  const { stream, handler } = told();
  const server = await serveControl(join(folder, 'socket'), handler);
  return through(stream, await connectControl(join(folder, 'socket')), async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
});

describe('a listener', () => {
  it('hears every event as it comes, until it ends that', () => {
    const stream = new EventStream(1);
    const heard: UnionEvent[] = [];
    const end = stream.listen((event) => heard.push(event));
    for (const path of ['a', 'b']) stream.emit({ kind: 'opaque', path });
    end();
    stream.emit({ kind: 'opaque', path: 'c' });
    expect(heard.map(({ seq, path }) => [seq, path])).toEqual([
      [1, 'a'],
      [2, 'b'],
    ]);
  });

  it('needs a stream that keeps at least one event', () => {
    expect(() => new EventStream(0)).toThrow(RangeError);
  });
});
