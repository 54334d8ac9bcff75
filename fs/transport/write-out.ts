// A large file on its way to the disk, so that others are not kept waiting. One processor is busy in the kernel with sending
// pages, and one with taking note of those that have arrived; where the kernel is not preemptible, each goes on for 15 ms
// and more. A server that wakes for a request waits for one of them, and then its caller for the reply: with two
// processors, one stat(2) in a hundred took 4 to 14 ms while 2 GiB were synced in one go, and takes 2 ms in pieces.

import { setTimeout as sleep } from 'node:timers/promises';
import { Attr } from '../filesystem.js';
import { beginSync, statFd } from '../sys/index.js';

/** A millisecond of work for a processor. */
const PIECE = 4 << 20;
/** Where nothing is to be written, pieces grow to this: a terabyte takes 4,096 of them, of a microsecond each. */
const PIECE_AT_MOST = 256 << 20;
/** Less than a piece takes of which anything is to be written. */
const NOTHING_MS = 0.2;
/** Some other gets the processor, and what was sent arrives. */
const PAUSE_MS = 1;

/**
 * Sends all that is to be written of a file to the disk in pieces, and waits for none of them: a sync has to follow,
 * which then has little to do, and which tells what failed.
 */
export async function writeOut(fd: number): Promise<void> {
  const attr = new Attr();
  statFd(fd, attr);
  let piece = PIECE;
  for (let at = 0; at < attr.size; ) {
    const begin = performance.now();
    beginSync(fd, at, piece);
    at += piece;
    if (performance.now() - begin < NOTHING_MS) {
      piece = Math.min(2 * piece, PIECE_AT_MOST);
    } else {
      piece = PIECE;
      await sleep(PAUSE_MS);
    }
  }
}
