// The thread of one mount over /dev/fuse. It is told what to serve, opens the layers, says so, waits for the mounted
// device, and then serves it in one synchronous loop until the mount ends, or nobody asks for anything: then it rests
// (rest.ts) and goes on. It is started by dev-fuse.ts and nobody else.

import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { Caching } from '../fuse/conversation.js';
import { Dispatcher } from '../fuse/dispatch.js';
import { RequestTimes } from '../fuse/request-times.js';
import { serve, serveWaiting } from '../fuse/session.js';
import { shareFolderRoom } from '../layer/folder-cache.js';
import { loadLibrary, mayPassThrough, noteOpenFiles, passthroughDevice } from '../sys/index.js';
import { Lanes } from './lanes.js';
import {
  type FromServer,
  type ServerStart,
  type SharedNotes,
  type ToServer,
  toPlainError,
} from './messages.js';
import { rest } from './rest.js';
import { ServedUnion } from './served-union.js';

if (parentPort === null) throw new Error('dev-fuse-worker runs as a worker thread only');
const port = parentPort;

const { files, allFolders, folders, events } = workerData as SharedNotes;
noteOpenFiles(new Uint8Array(files));
shareFolderRoom({ all: new Int32Array(allFolders), mine: new Int32Array(folders) });

function tell(message: FromServer): void {
  port.postMessage(message);
}

async function run(
  served: ServedUnion,
  device: number,
  wake: number,
  caching: Caching,
  stats: boolean,
): Promise<void> {
  const lanes = new Lanes(wake);
  served.union.workAside(lanes);
  const dispatcher = new Dispatcher(
    served.filesystem,
    ({ operation, error }) => {
      const { message, stack } = toPlainError(error);
      tell({ type: 'fault', fault: { operation, message, ...(stack === undefined ? {} : { stack }) } });
    },
    caching,
    lanes,
    stats ? new RequestTimes() : undefined,
  );
  const answer = (id: number, request: object) => {
    try {
      // Whoever settles, freezes or flushes has made the kernel hand over what it had collected; and what was closed
      // before somebody asks is not to stand against a freeze.
      if (caching.writeback === true || caching.passthrough !== undefined || 'marker' in request) {
        serveWaiting(device, dispatcher);
      }
      tell({ type: 'reply', id, reply: served.control(request, dispatcher) });
      dispatcher.serveFrom(served.filesystem);
    } catch (error) {
      tell({ type: 'refusal', id, error: toPlainError(error) });
    }
  };
  let exits = true;
  const onControl = () => {
    for (;;) {
      const received = receiveMessageOnPort(port) as { message: ToServer } | undefined;
      if (received === undefined) return true;
      const { message } = received;
      if (message.type === 'abandon') exits = false;
      if (message.type === 'leave' || message.type === 'abandon') return false;
      if (message.type === 'control') answer(message.id, message.request);
    }
  };
  const onLive = () => tell({ type: 'live' });
  const session = { device, control: wake, dispatcher, onControl, onLive };
  let how = serve(session);
  while (how === 'idle') {
    await rest();
    how = serve({ ...session, rested: true });
  }
  const stuck = !lanes.end();
  served.union.destroy();
  // The process would wait for what waits for a disk.
  if (stuck && how === 'stopped' && exits) process.kill(process.pid, 'SIGKILL');
  tell({ type: 'ended', how, stuck });
}

function cachingOf(start: ServerStart, freeAttributes: boolean, device: number): Caching {
  const { stack, acls = true, xattrs = true, folderLinks = true } = start;
  const neverSynced = stack.upper?.volatile === true;
  return { ...waysOfData(start, device), freeAttributes, neverSynced, acls, xattrs, folderLinks };
}

/** The kernel has either of writeback and passthrough (process_init_reply), and neither goes with lowers that change. */
function waysOfData({ stack, writeback, passthrough }: ServerStart, device: number): Caching {
  if (stack.lowers.some(({ changes }) => changes === true)) return { briefly: true };
  if (writeback === true) return { writeback };
  if (passthrough === false || !mayPassThrough()) return {};
  return { passthrough: passthroughDevice(device) };
}

function open(start: ServerStart): void {
  const served = new ServedUnion(start, events);
  tell({ type: 'opened', readOnly: served.union.readOnly });
  port.once('message', (message: ToServer) => {
    if (message.type !== 'serve') {
      // Nothing was mounted.
      served.union.destroy();
      return;
    }
    try {
      const caching = cachingOf(start, served.union.indexed, message.device);
      run(served, message.device, message.wake, caching, start.stats === true).catch(fail);
    } catch (error) {
      fail(error);
    }
  });
}

function fail(error: unknown): void {
  tell({ type: 'failed', error: toPlainError(error) });
}

port.once('message', (message: ToServer) => {
  try {
    if (message.type === 'open') open(message.start);
  } catch (error) {
    fail(error);
  }
});
// While nobody waits for it yet.
loadLibrary();
