// Small files of an image archive as bytes: never more of them than JSON_LIMIT in memory.

import { StoreError } from '../errors.js';
import type { Members } from './members.js';
import { JSON_LIMIT } from './oci.js';

/** The bytes of a small file of the archive; undefined if there is none, corrupt if it is longer than allowed. */
export async function readMember(
  members: Members,
  path: string,
  what: string,
): Promise<Uint8Array | undefined> {
  const size = await members.size(path);
  if (size === undefined) return undefined;
  if (size > JSON_LIMIT) {
    throw new StoreError('corrupt', what, `${path} has ${size} bytes, more than the ${JSON_LIMIT} allowed`);
  }
  return gather(members.stream(path), JSON_LIMIT, `${what}: ${path}`);
}

/** All bytes of a stream; corrupt above `limit`. */
export async function gather(
  stream: AsyncIterable<Uint8Array>,
  limit: number,
  what: string,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > limit) throw new StoreError('corrupt', what, `more than the ${limit} bytes allowed`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
