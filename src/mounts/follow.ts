// The events of a live mount as they come, for as long as somebody wants them. The server keeps some thousand of them and
// is asked again and again. Who is too slow is told how many were lost.

import { setTimeout as sleep } from 'node:timers/promises';
import {
  cursorOf,
  ENOTCONN,
  type EventCursor,
  type EventsReply,
  type EventsRequest,
  eventsOf,
  isErrno,
  type UnionEvent,
} from '../../fs/index.js';
import { isKind } from '../errors.js';

/** The server of a mount, in this process or in another. */
export interface EventSource {
  ask(request: EventsRequest): Promise<EventsReply>;
}

export interface FollowOptions {
  /** Requests and merges, too; otherwise only what changes the upper. */
  readonly requests: boolean;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** The number of the last event that is known already; absent: from now on. */
  readonly since?: number;
  /** False while nothing is to be handed over: the server keeps what it can, and what it cannot is lost. */
  readonly canTake?: () => boolean;
  /** Nobody else asks over this connection: the pause is the server's, who ends it with the mount, of which nothing is missed then. */
  readonly isAlone?: boolean;
}

/** Some events, in order, each made when it is asked for. */
export interface Followed {
  readonly events: Iterable<UnionEvent>;
  /** The same for who only looks at them; stands before the first. */
  readonly cursor: EventCursor;
  /** How many there were before these and after the last ones that nobody kept. */
  readonly lost: number;
}

/** Between two questions. The server keeps what comes in some hundred milliseconds, however busy it is. */
const PAUSE_MS = 160;

/**
 * Batches of events, empty ones too, until the signal ends it or the mount is gone. The server stops watching then, unless
 * somebody else follows it.
 */
export async function* follow(
  server: EventSource,
  { requests, signal, since, canTake = () => true, isAlone = false }: FollowOptions,
): AsyncGenerator<Followed, void> {
  const asking = requests ? { requests: true } : {};
  // Asks for none, but to be told of those that come.
  const listen = () => server.ask({ op: 'events', since: Number.MAX_SAFE_INTEGER, ...asking });
  let seq = since ?? (await listen()).lastSeq;
  const taken = (reply: EventsReply): Followed => {
    const cursor = cursorOf(reply);
    const firstSeq = cursor.next() ? cursor.seq : reply.lastSeq + 1;
    const lost = Math.max(0, firstSeq - seq - 1);
    seq = reply.lastSeq;
    return { events: eventsOf(reply), cursor: cursorOf(reply), lost };
  };
  try {
    for (let isLast = false, waitMs = 0; !isLast; ) {
      // What came until now is told, too, and then nobody listens any more.
      isLast = signal.aborted;
      let pauseMs = PAUSE_MS;
      if (isLast || canTake()) {
        const ending = requests && isLast ? { requests: false } : asking;
        const asked = performance.now();
        const waiting = waitMs > 0 && !isLast ? { waitMs } : {};
        const reply = await server.ask({ op: 'events', since: seq, ...ending, ...waiting });
        // Where the server did not wait.
        pauseMs = isAlone ? waitMs - (performance.now() - asked) : PAUSE_MS;
        if (isAlone) waitMs = PAUSE_MS;
        yield taken(reply);
      } else await listen();
      if (!isLast && pauseMs > 0) await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  } catch (error) {
    if (!isGone(error)) throw error;
    // In the same process what it did at last is still there.
    const last = await whileThere(server.ask({ op: 'events', since: seq }));
    if (last !== undefined) yield taken(last);
  }
}

/** What a server answers; undefined where its mount has ended. */
export async function whileThere<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (!isGone(error)) throw error;
    return undefined;
  }
}

/** The end of the mount ends what is told of it. */
function isGone(error: unknown): boolean {
  return isKind(error, 'failed-precondition') || isErrno(error, ENOTCONN);
}
