// The union as it is watched: each operation becomes a `request` event with its path, its result and its time,
// while somebody asks for them (`events.requests`). While nobody does, an operation costs one test more; while somebody
// does, two looks at the clock and a record in the ring, and nothing is allocated.

import { EIO, FsError } from '../errno.js';
import type { Filesystem } from '../filesystem.js';
import { Later } from '../later.js';
import { codeOf } from './event-record.js';
import { clock, type EventStream } from './event-stream.js';
import { MOVES_DATA, OPERATIONS, type Operation, SUBJECTS, type Subject, UNTOLD } from './operation.js';
import { Place } from './place.js';
import type { Union } from './union.js';

/** The same filesystem, with `request` events. */
export function traced(union: Union, events: EventStream): Filesystem {
  const watched: Partial<Record<Operation, unknown>> = {};
  const place = new Place();
  for (const operation of OPERATIONS) {
    watched[operation] = UNTOLD.has(operation)
      ? union[operation].bind(union)
      : watch(union, events, operation, place);
  }
  Object.defineProperty(watched, 'readOnly', { get: () => union.readOnly });
  return watched as unknown as Filesystem;
}

/** `place` is for its use, by one operation at a time. No operation has more than six arguments. */
function watch(union: Union, events: EventStream, operation: Operation, place: Place): unknown {
  const act = union[operation].bind(union) as (...args: unknown[]) => unknown;
  const subject = SUBJECTS[operation];
  const movesData = MOVES_DATA.has(operation);
  const code = codeOf(operation);
  return (a: unknown, b: unknown, c: unknown, d: unknown, e: unknown, f: unknown): unknown => {
    if (!events.requests) return act(a, b, c, d, e, f);
    // Before the operation, which may change it.
    locate(union, subject, a, b, place);
    const begin = clock.now();
    let result: unknown;
    try {
      result = act(a, b, c, d, e, f);
    } catch (error) {
      // One that waits will be called again.
      if (!(error instanceof Later))
        events.emitRequest(code, place, begin, error instanceof FsError ? error.errno : EIO, -1);
      throw error;
    }
    events.emitRequest(code, place, begin, 0, movesData ? (result as number) : -1);
    return result;
  };
}

/** A node or handle that is not known has the path of the root. */
function locate(union: Union, subject: Subject, first: unknown, second: unknown, place: Place): void {
  place.reset();
  if (subject === 'none' || typeof first !== 'number') return;
  if (subject === 'handle') union.locateHandle(first, place);
  else union.locate(first, place);
  if (subject === 'name' && typeof second === 'string') place.enter(second);
}
