// A byte stream led through a Node transform, with the failures of both ends reaching the reader and everything
// torn down when the reader stops early. The transform goes on by itself, in the thread pool, while the reader is
// busy with what came before, up to so many bytes ahead of it; for that the reader lets the event loop have its turns.

import { type Duplex, finished, pipeline, Readable } from 'node:stream';
import type { Bytes } from './compression.js';

/** How far the transform runs ahead: what large files take it is there for small ones, which take the reader longer. */
const AHEAD = 8 << 20;

export async function* through(source: Bytes, transform: Duplex): AsyncGenerator<Uint8Array, void> {
  const input = source instanceof Readable ? source : Readable.from(source);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let ended = false;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;
  transform.on('data', (chunk: Uint8Array) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= AHEAD) transform.pause();
    wake?.();
  });
  // pipeline() listens no longer than until everything was written, and zlib fails after that as well.
  finished(transform, { writable: false }, (error) => {
    ended = true;
    failure = error ?? undefined;
    wake?.();
  });
  // It has destroyed both by then; this repeats the reason.
  pipeline(input, transform, (error) => {
    if (error) transform.destroy(error);
  });
  try {
    while (failure === undefined) {
      const chunk = chunks.shift();
      if (chunk !== undefined) {
        bytes -= chunk.length;
        if (bytes < AHEAD && transform.isPaused()) transform.resume();
        yield chunk;
      } else if (ended) return;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
    throw failure;
  } finally {
    transform.destroy();
  }
}
