// What every way to the server of a mount must do, whatever carries the questions.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EINVAL, FsError } from '../../fs/index.js';
import { StoreError } from '../../src/errors.js';
import type { ControlClient, ControlHandler } from '../../src/mounts/control.js';

export interface ControlUnderTest {
  /** A new asker of the handler that `open` was given. */
  connect(): Promise<ControlClient>;
  close(): Promise<void>;
}

/** Every byte comes in them, that which ends a line too. */
const records = (length: number) => new Uint8Array(length).map((_, at) => at * 7);

export function controlSuite(
  name: string,
  open: (handler: ControlHandler) => Promise<ControlUnderTest>,
): void {
  describe(`control: ${name}`, () => {
    let under: ControlUnderTest;
    let asked: string[];
    let release: (() => void) | undefined;
    beforeEach(async () => {
      asked = [];
      under = await open(async (request) => {
        asked.push(request.op);
        if (request.op === 'usage') return { size: 4096, inodes: 1 };
        if (request.op === 'events')
          return { lastSeq: request.since, records: records(request.since), codes: [] };
        if (request.op === 'explain') return { path: 'caf\u00c3\u00a9\n', asked: request.pathBase64 };
        if (request.op === 'flush') await new Promise<void>((resolve) => (release = resolve));
        if (request.op === 'settle') throw new FsError(EINVAL, 'settle');
        if (request.op === 'stop') {
          throw new StoreError('failed-precondition', 'cannot stop', 'it is busy', { hint: 'wait' });
        }
        return {};
      });
    });
    afterEach(() => under.close());

    it('brings a question there and its answer back', async () => {
      const client = await under.connect();
      expect(await client.ask({ op: 'usage' })).toEqual({ size: 4096, inodes: 1 });
      expect(asked).toEqual(['usage']);
      client.close();
    });

    it('keeps the bytes of paths', async () => {
      const client = await under.connect();
      const answer = await client.ask({ op: 'explain', pathBase64: 'Y2Fmw6k=' });
      expect(answer).toEqual({ path: 'caf\u00c3\u00a9\n', asked: 'Y2Fmw6k=' });
      client.close();
    });

    it('brings records of any length as the bytes that they are, each with its answer', async () => {
      const client = await under.connect();
      const lengths = [0, 1, 500_000, 3, 70_000];
      const answers = await Promise.all(lengths.map((since) => client.ask({ op: 'events', since })));
      expect(answers.map(({ lastSeq }) => lastSeq)).toEqual(lengths);
      for (const { lastSeq, records: brought } of answers)
        expect(Buffer.compare(brought, records(lastSeq))).toBe(0);
      expect(await client.ask({ op: 'usage' })).toEqual({ size: 4096, inodes: 1 });
      client.close();
    });

    it('brings failures back as what they were', async () => {
      const client = await under.connect();
      await expect(client.ask({ op: 'settle' })).rejects.toMatchObject({ name: 'FsError', errno: EINVAL });
      await expect(client.ask({ op: 'stop' })).rejects.toMatchObject({
        name: 'StoreError',
        kind: 'failed-precondition',
        why: 'it is busy',
        hint: 'wait',
      });
      expect(await client.ask({ op: 'freeze' })).toEqual({});
      client.close();
    });

    it('refuses what is no question, and goes on', async () => {
      const client = await under.connect();
      await expect(client.ask({ op: 'nonsense' } as unknown as { op: 'stop' })).rejects.toMatchObject({
        kind: 'invalid-argument',
      });
      expect(await client.ask({ op: 'freeze' })).toEqual({});
      expect(asked).toEqual(['freeze']);
      client.close();
    });

    it('serves several askers at a time', async () => {
      const [slow, quick] = [await under.connect(), await under.connect()];
      const waiting = slow.ask({ op: 'flush' });
      expect(await quick.ask({ op: 'usage' })).toMatchObject({ inodes: 1 });
      await expect.poll(() => release).toBeDefined();
      release?.();
      expect(await waiting).toEqual({});
      slow.close();
      quick.close();
    });

    it('answers no more after close', async () => {
      const client = await under.connect();
      client.close();
      await expect(client.ask({ op: 'usage' })).rejects.toMatchObject({ kind: 'failed-precondition' });
    });
  });
}
