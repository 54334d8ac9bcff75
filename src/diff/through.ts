// A byte stream led through a Node transform, with the failures of both ends reaching the reader and everything
// torn down when the reader stops early.

import { type Duplex, pipeline, Readable } from 'node:stream';
import type { Bytes } from './compression.js';

export async function* through(source: Bytes, transform: Duplex): AsyncGenerator<Uint8Array, void> {
  const input = source instanceof Readable ? source : Readable.from(source);
  // pipeline() has destroyed both by then; this repeats the reason for whoever iterates.
  pipeline(input, transform, (error) => {
    if (error) transform.destroy(error);
  });
  for await (const chunk of transform) yield chunk as Uint8Array;
}
