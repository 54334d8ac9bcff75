import { expect, it } from 'vitest';
import { Ahead } from '../../../src/diff/ahead.js';
import { StoreError } from '../../../src/errors.js';

const MIB = 1 << 20;

/** Chunks of one MiB whose first byte counts them; `given` counts how many were asked for. */
function counted(chunks: number, end?: Error) {
  const source = {
    given: 0,
    ended: false,
    async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
      try {
        for (; source.given < chunks; ) yield new Uint8Array(MIB).fill(source.given++);
        if (end !== undefined) throw end;
      } finally {
        source.ended = true;
      }
    },
  };
  return source;
}

/** Until everything that can happen by itself has happened. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

it('reads before anybody asks, but not without end', async () => {
  const source = counted(100);
  const ahead = new Ahead(source);
  await settled();
  expect(source.given).toBe(8);
  await ahead.stop();
});

it('hands on all chunks in order', async () => {
  const seen: number[] = [];
  for await (const [first] of new Ahead(counted(30))) seen.push(first!);
  expect(seen).toEqual(Array.from({ length: 30 }, (_, n) => n));
});

it('tells a failure after the bytes that came before it, to everybody who asks', async () => {
  const ahead = new Ahead(counted(2, new StoreError('corrupt', 'cannot read', 'torn')));
  let chunks = 0;
  const all = (async () => {
    for await (const _ of ahead) chunks++;
  })();
  await expect(all).rejects.toMatchObject({ kind: 'corrupt' });
  expect(chunks).toBe(2);
  await expect(ahead.drain()).rejects.toMatchObject({ kind: 'corrupt' });
});

it('goes on for the next reader where one has stopped', async () => {
  const source = counted(20);
  const ahead = new Ahead(source);
  for await (const _ of ahead) break;
  await ahead.drain();
  expect([source.given, source.ended]).toEqual([20, true]);
});

it('has let go of the source when it was stopped', async () => {
  const source = counted(100);
  const ahead = new Ahead(source);
  await settled();
  await ahead.stop();
  expect(source.ended).toBe(true);
  await ahead.stop();
});
