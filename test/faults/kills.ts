// Kills a process at every change that an operation makes on disk, and looks at what the next mount shows.

import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { MarkPrefix } from '../../fs/layer/layer.js';
import { difference } from './difference.js';
import { arm, bury, disarm, Killed } from './libc.js';
import type { Operation } from './operations.js';
import { Places, prepared, shown } from './places.js';

/** A test for each operation: at whatever change the process is killed, the next mount shows it done or not done. */
export function describeKills(operations: readonly Operation[], marks: MarkPrefix): void {
  let places: Places;
  beforeAll(() => {
    places = new Places(marks);
  });
  afterAll(() => places.remove());

  it.each(operations)(
    '$name: is done or not done',
    (operation) => {
      const whole = places.fresh();
      const opened = prepared(operation, whole);
      const before = shown(opened.paths);
      operation.act(opened.paths, opened.union);
      const after = shown(opened.paths);
      opened.union.destroy();
      whole.remove();

      const problems: string[] = [];
      let at = 0;
      for (let killed = true; killed; at++) {
        const upper = places.fresh();
        const first = prepared(operation, upper);
        shown(first.paths);
        let changes = 0;
        arm(({ kind }) => (kind === 'change' && changes++ === at ? 'kill' : undefined));
        killed = false;
        try {
          operation.act(first.paths, first.union);
        } catch (error) {
          if (!(error instanceof Killed)) throw error;
          killed = true;
        }
        const calls = disarm();
        bury(() => first.union.destroy());

        const say = (what: string, is: unknown, wanted: unknown) =>
          problems.push(
            `killed before ${calls.at(-1)?.name}, change ${at}: ${what}: ${difference(is, wanted)}`,
          );
        const next = upper.open();
        const seen = shown(next.paths);
        const isDone = isDeepStrictEqual(seen, after);
        if (!isDone && !(killed && isDeepStrictEqual(seen, before)))
          say('mounted again', seen, killed ? before : after);
        const left = upper.rubbish();
        if (left.length > 0) say('work folder', left, []);
        next.union.settle();
        if (!isDeepStrictEqual(shown(next.paths), seen)) say('settled', shown(next.paths), seen);
        next.union.destroy();
        const last = upper.open();
        if (!isDeepStrictEqual(shown(last.paths), seen))
          say('settled, mounted again', shown(last.paths), seen);
        last.union.destroy();
        upper.remove();
      }
      expect(at).toBeGreaterThan(1);
      expect(problems).toEqual([]);
    },
    120_000,
  );
}
