// The loop of one mount: read a request, answer it, and when there is none, wait for the next one or for the
// main thread. It runs on a thread of its own until the mount ends, and nothing in it is asynchronous: a thread
// that touches its own mount, or waits for one that does, would hang beyond the reach of any signal.

import { EAGAIN, ECONNABORTED, EINTR, ENODEV, ENOENT, FsError } from '../errno.js';
import { drainEventFd, PollSet, readInto, writeFrom } from '../sys/device.js';
import type { Dispatcher } from './dispatch.js';
import { Burst, Patience } from './pace.js';

export interface SessionOptions {
  /** /dev/fuse, mounted or about to be, non-blocking. */
  readonly device: number;
  /** An eventfd that is signalled when `onControl` has something to do, or a task is over. */
  readonly control: number;
  readonly dispatcher: Dispatcher;
  /** Called between two requests; returns false to end the loop. */
  readonly onControl: () => boolean;
  /** Called once, when the kernel has its answer to INIT. */
  readonly onLive: () => void;
  /** Goes on where a session ended as idle: waits for the first request however long that takes. */
  readonly rested?: boolean;
}

/** Why a session ended: the mount is gone, it was aborted by somebody, or `onControl` said so. */
export type SessionEnd = 'unmounted' | 'aborted' | 'stopped';

/** So many requests are served in a row before the main thread is heard. */
const REQUESTS_IN_A_ROW = 64;

/**
 * Serves until the mount ends, or as 'idle' until there was no request for some seconds, so that the thread can rest before
 * it serves on. FsError for a failure of the device that no request is to blame for.
 */
export function serve(options: SessionOptions): SessionEnd | 'idle' {
  const burst = new Burst();
  try {
    return serveWith(burst, options);
  } finally {
    burst.end();
  }
}

function serveWith(burst: Burst, options: SessionOptions): SessionEnd | 'idle' {
  const { device, control, dispatcher } = options;
  const waiting = new PollSet([device, control]);
  const patience = new Patience();
  const requestBytes = dispatcher.requestBytes;
  let live = dispatcher.initialized;
  let rested = options.rested === true;
  for (let inARow = 0; ; inARow++) {
    if (inARow === REQUESTS_IN_A_ROW) {
      inARow = 0;
      const end = hear(options);
      if (end !== undefined) return end;
    }
    const length = readInto(device, requestBytes);
    let end: SessionEnd | undefined;
    if (length > 0) {
      rested = false;
      patience.served();
      burst.served();
      end = answer(device, dispatcher, dispatcher.dispatch(length));
      if (end !== undefined) return end;
      if (!live && dispatcher.initialized) {
        live = true;
        options.onLive();
      }
      continue;
    }
    switch (-length) {
      case EAGAIN:
        if (patience.again()) break;
        if (burst.isOn()) {
          if (!waiting.wait(Burst.PAUSE_MS)) burst.end();
        } else if (dispatcher.anySignalled) waiting.wait(SIGNALLED_MS);
        else if (!waiting.wait(rested ? -1 : IDLE_MS)) return 'idle';
        end = waiting.revents(1) !== 0 ? hear(options) : undefined;
        end ??= giveUpKilled(device, dispatcher);
        if (end !== undefined) return end;
        break;
      case EINTR:
      // The request that we were woken for was taken back.
      case ENOENT:
        break;
      default:
        return endOf(-length, 'read request');
    }
  }
}

/** After so long without a request nobody waits for the next one to be quick. */
const IDLE_MS = 2000;

/** How often those who wait with a signal are looked at. */
const SIGNALLED_MS = 200;

/** Listens to the main thread, and serves requests whose task is over. */
function hear({ device, control, dispatcher, onControl }: SessionOptions): SessionEnd | undefined {
  if (!drainEventFd(control)) return undefined;
  if (!onControl()) return 'stopped';
  for (let length = dispatcher.resume(); length !== undefined; length = dispatcher.resume()) {
    const end = answer(device, dispatcher, length);
    if (end !== undefined) return end;
  }
  return undefined;
}

function giveUpKilled(device: number, dispatcher: Dispatcher): SessionEnd | undefined {
  if (!dispatcher.anySignalled) return undefined;
  for (let length = dispatcher.giveUp(); length > 0; length = dispatcher.giveUp()) {
    const end = answer(device, dispatcher, length);
    if (end !== undefined) return end;
  }
  return undefined;
}

/**
 * So many requests at most are taken as what waits: more than closed files and collected writes leave behind, and an end
 * where several processes ask without a pause.
 */
const WAITING_AT_MOST = 4096;

/** Serves the requests that wait now, and returns when there is none or the mount has ended. */
export function serveWaiting(device: number, dispatcher: Dispatcher): void {
  for (let served = 0; served < WAITING_AT_MOST; served++) {
    const length = readInto(device, dispatcher.requestBytes);
    if (length > 0 && answer(device, dispatcher, dispatcher.dispatch(length)) === undefined) continue;
    if (length > 0 || (length !== -EINTR && length !== -ENOENT)) return;
  }
}

/** Writes a reply of `length` bytes, 0 for none, and what there is to tell after it. */
function answer(device: number, dispatcher: Dispatcher, length: number): SessionEnd | undefined {
  const end = reply(device, dispatcher, length);
  if (end !== undefined) return end;
  for (let notice = dispatcher.notice(); notice > 0; notice = dispatcher.notice()) {
    // ENOENT: the kernel keeps nothing of the node. A mount that has ended says so at the next read.
    writeFrom(device, dispatcher.replyBytes, 0, notice);
  }
  return undefined;
}

function reply(device: number, dispatcher: Dispatcher, length: number): SessionEnd | undefined {
  let left = length;
  while (left > 0) {
    const written = writeFrom(device, dispatcher.replyBytes, 0, left);
    if (written >= 0) return undefined;
    switch (-written) {
      case EINTR:
      case EAGAIN:
        break;
      case ENOENT:
        // The asker was killed, or the connection aborted, while we worked.
        dispatcher.undelivered();
        return undefined;
      case ENODEV:
      case ECONNABORTED:
        return endOf(-written, 'write reply');
      default:
        // A reply that the kernel cannot take is a bug of ours; its asker gets EIO instead, once.
        if (left !== length) return endOf(-written, 'write reply');
        left = dispatcher.refused(-written);
    }
  }
  return undefined;
}

function endOf(errno: number, what: string): SessionEnd {
  if (errno === ENODEV) return 'unmounted';
  if (errno === ECONNABORTED) return 'aborted';
  throw new FsError(errno, what);
}
