// Which descriptors a thread has open, written down where another thread can read it. A thread that ends without its
// last words (its memory was full) leaves its files open, and with them the lock on an upper, as long as the process
// lives; whoever outlives it closes what the notes name. Threads that nobody outlives take no notes.

let notes: Uint8Array | undefined;

/** From now on this thread notes down what it has open in shared memory, one byte a descriptor, 1 for open. */
export function noteOpenFiles(into: Uint8Array): void {
  notes = into;
}

/** A descriptor that this thread has just got. Returns it. */
export function opened(fd: number): number {
  if (notes !== undefined) notes[fd] = 1;
  return fd;
}

/** A descriptor that this thread is about to close: from then on the number may be another thread's. */
export function closing(fd: number): void {
  if (notes !== undefined) notes[fd] = 0;
}

/** Hands each descriptor to `close` that a thread which has ended had open. */
export function closeNoted(left: Uint8Array, close: (fd: number) => void): void {
  for (let fd = left.indexOf(1); fd >= 0; fd = left.indexOf(1, fd + 1)) {
    left[fd] = 0;
    close(fd);
  }
}
