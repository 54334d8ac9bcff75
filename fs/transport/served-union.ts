// The union that a mount serves, and what the control requests ask of it. It runs on the server's thread, and
// a control request runs between two file requests, so that its answer never shows half an operation.

import { Buffer } from 'node:buffer';
import { EINVAL, FsError } from '../errno.js';
import type { Filesystem } from '../filesystem.js';
import { openStack } from '../layer/open-stack.js';
import { type ByteString, fromBytes } from '../name.js';
import { EventStream } from '../union/event.js';
import { traced } from '../union/trace.js';
import { Union } from '../union/union.js';
import type { ServerStart } from './messages.js';

/** How many events are kept for readers who come late. */
const EVENTS_KEPT = 4096;

interface Counting {
  readonly requests: number;
  counts(): Record<string, number>;
}

export class ServedUnion {
  readonly union: Union;
  /** The same, with an event for each request while somebody asks for them. */
  readonly watched: Filesystem;
  readonly #events = new EventStream(EVENTS_KEPT);
  readonly #start: ServerStart;
  #frozen = false;

  /** Opens the layers; fails as `openStack` does. */
  constructor(start: ServerStart) {
    this.#start = start;
    const { lowers, upper, close } = openStack(start.stack, start.mountPoint);
    try {
      this.union = new Union({
        lowers,
        events: this.#events,
        ...(upper === undefined ? {} : { upper }),
      });
    } catch (error) {
      close();
      throw error;
    }
    this.watched = traced(this.union, this.#events);
  }

  /** Who is to answer the next request: watching takes time, so it is left out while nobody looks. */
  get filesystem(): Filesystem {
    return this.#events.requests ? this.watched : this.union;
  }

  /** Answers a control request: `{op, ...}`. EINVAL for one that nobody knows. */
  control(request: object, counting: Counting): object {
    const op = 'op' in request ? request.op : undefined;
    switch (op) {
      case 'status':
        return {
          target: this.#start.mountPoint,
          pid: process.pid,
          readOnly: this.union.readOnly || this.#frozen,
          transport: this.#start.transport,
          stack: this.#start.stack,
          requests: counting.requests,
          counts: counting.counts(),
          lastSeq: this.#events.lastSeq,
        };
      case 'events':
        return this.#eventsSince(request);
      case 'explain':
        return this.union.explain(pathOf(request));
      case 'settle':
        this.union.settle();
        return { settled: true };
      case 'flush':
        this.union.sync();
        return {};
      case 'freeze':
        // In the same step, so that nothing can come between a plain upper and its end.
        if (!this.union.readOnly) this.union.settle();
        this.union.freeze();
        this.#frozen = true;
        return {};
      default:
        throw new FsError(EINVAL, `control request ${String(op)}`);
    }
  }

  #eventsSince(request: object): object {
    if ('requests' in request && typeof request.requests === 'boolean') {
      this.#events.requests = request.requests;
    }
    const since = 'since' in request && typeof request.since === 'number' ? request.since : 0;
    return { events: this.#events.since(since), lastSeq: this.#events.lastSeq };
  }
}

/** Paths cross as base64, because not every path is text. */
function pathOf(request: object): ByteString {
  if (!('pathBase64' in request) || typeof request.pathBase64 !== 'string') {
    throw new FsError(EINVAL, 'explain without pathBase64');
  }
  return fromBytes(Buffer.from(request.pathBase64, 'base64'));
}
