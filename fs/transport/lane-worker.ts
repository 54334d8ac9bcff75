// A thread that does long work for the thread of a mount (lanes.ts). Syncing and reading is left to the pool of this
// process, several at a time; copies take turns, a piece each. It knows descriptors and ranges alone, and owns none.

import { Buffer } from 'node:buffer';
import { fdatasync, fsync, read } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { EINTR, EIO, FsError } from '../errno.js';
import { DataFile } from '../layer/dir-file.js';
import { signalEventFd, syncFilesystem } from '../sys/index.js';
import { copyPieces } from '../union/copy-data.js';
import type { LaneJob, LaneStart } from './lane-messages.js';
import { writeOut } from './write-out.js';

const { port, wake } = workerData as LaneStart;

/** A few milliseconds of work for a disk; then others get their turn, and a copy that nobody wants any more ends. */
const PIECE = 4 << 20;

type Job<Kind> = Extract<LaneJob, { readonly kind: Kind }>;
type Done = (errno: number, bytes?: number) => void;

port.on('message', (job: LaneJob) => {
  const begin = performance.now();
  const done: Done = (errno, bytes = 0) => {
    port.postMessage({ id: job.id, errno, bytes, durationMs: performance.now() - begin });
    signalEventFd(wake);
  };
  switch (job.kind) {
    case 'copy':
      copy(job, done);
      break;
    case 'sync':
      void sync(job, done);
      break;
    case 'sync-filesystem':
      done(errnoOfCall(() => syncFilesystem(job.fd)));
      break;
    case 'fetch':
      fetchRange(job, done);
      break;
  }
});

async function sync({ fd, dataOnly, inPieces }: Job<'sync'>, done: Done): Promise<void> {
  if (inPieces) await writeOut(fd);
  if (dataOnly) fdatasync(fd, (error) => done(errnoOf(error)));
  else fsync(fd, (error) => done(errnoOf(error)));
}

function copy({ from, to, size, sync, cancelled }: Job<'copy'>, done: Done): void {
  const pieces = copyPieces(new DataFile(from), new DataFile(to), size, PIECE);
  let copied = 0;
  const goOn = (): void => {
    if (Atomics.load(cancelled, 0) !== 0) {
      done(EINTR);
      return;
    }
    try {
      const piece = pieces.next();
      if (piece.done !== true) {
        copied += piece.value;
        setImmediate(goOn);
      } else if (sync && copied > 0) fdatasync(to, (error) => done(errnoOf(error), copied));
      else done(0, copied);
    } catch (error) {
      done(errnoOfFailure(error));
    }
  };
  goOn();
}

/** Afterwards the range is in the page cache, as long as there is room. */
function fetchRange({ fd, offset, length }: Job<'fetch'>, done: Done): void {
  const into = Buffer.allocUnsafe(length);
  read(fd, into, 0, length, offset, (error) => done(errnoOf(error)));
}

function errnoOfCall(act: () => void): number {
  try {
    act();
    return 0;
  } catch (error) {
    return errnoOfFailure(error);
  }
}

function errnoOfFailure(error: unknown): number {
  return error instanceof FsError ? error.errno : EIO;
}

/** Node's errors have errnos as libuv spells them: negative. */
function errnoOf(error: NodeJS.ErrnoException | null): number {
  if (error === null) return 0;
  return error.errno === undefined ? EIO : Math.abs(error.errno);
}
