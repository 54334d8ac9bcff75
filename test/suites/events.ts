// What every reader of a union's events can rely on, wherever it sits: numbers without gaps, the newest kept, and a
// loss that shows.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NewEvent, UnionEvent } from '../../fs/union/event.js';

export interface EventsUnderTest {
  /** How many events are kept. */
  readonly capacity: number;
  emit(event: NewEvent): void;
  since(seq: number): Promise<{ readonly events: readonly UnionEvent[]; readonly lastSeq: number }>;
  close(): Promise<void>;
}

export function eventsSuite(name: string, open: () => Promise<EventsUnderTest>): void {
  describe(`events: ${name}`, () => {
    let under: EventsUnderTest;
    beforeEach(async () => {
      under = await open();
    });
    afterEach(() => under.close());

    const emit = (count: number) => {
      for (let n = 1; n <= count; n++) under.emit({ kind: 'whiteout', path: `${n}` });
    };

    it('has none at first', async () => {
      expect(await under.since(0)).toEqual({ events: [], lastSeq: 0 });
    });

    it('numbers events from 1 without gaps, oldest first, and dates them', async () => {
      const before = Date.now() * 1e6 - 1e6;
      emit(3);
      const { events, lastSeq } = await under.since(0);
      expect(events.map(({ seq, path }) => [seq, path])).toEqual([
        [1, '1'],
        [2, '2'],
        [3, '3'],
      ]);
      expect(lastSeq).toBe(3);
      for (const { timeNs } of events) expect(timeNs).toBeGreaterThan(before);
    });

    it('gives a reader only what came after what it has seen', async () => {
      emit(3);
      expect((await under.since(2)).events.map(({ seq }) => seq)).toEqual([3]);
      expect((await under.since(3)).events).toEqual([]);
      expect((await under.since(99)).events).toEqual([]);
    });

    it('keeps the newest, and a reader who comes late sees by the numbers what is gone', async () => {
      emit(under.capacity + 2);
      const { events, lastSeq } = await under.since(0);
      expect(events).toHaveLength(under.capacity);
      expect([events[0]?.seq, events.at(-1)?.seq, lastSeq]).toEqual([3, lastSeq, under.capacity + 2]);
    });

    it('keeps everything that an event says, also bytes of paths that are no text', async () => {
      const said = {
        kind: 'copy-up',
        path: 'caf\u00e9\u00ff',
        layer: '7',
        bytesCopied: 2 ** 40,
        bytesSaved: 1,
        durationNs: 1.5,
      } as const;
      under.emit(said);
      under.emit({ kind: 'request', operation: 'unlink', path: '', errno: 2 });
      const { events } = await under.since(0);
      expect(events).toMatchObject([said, { operation: 'unlink', path: '', errno: 2 }]);
    });
  });
}
