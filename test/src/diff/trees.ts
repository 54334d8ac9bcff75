// Trees in memory for tests of layers: unions over chains of unpacked layers, and what they show.

import { Readable } from 'node:stream';
import {
  type ByteString,
  isRegular,
  isSymlink,
  kindOf,
  MemLayer,
  O_RDONLY,
  type ReadLayer,
  Union,
} from '../../../fs/index.js';
import { type Applied, apply } from '../../../src/diff/apply.js';
import { walkTree } from '../../../src/diff/tree-walk.js';
import { type Draft, writeTar } from './tar-tools.js';

/** One number space for all layers, as on one disk. */
const numbers = { last: 0 };

export function memLayer(id: string): MemLayer {
  return new MemLayer({ id, device: 'memory', numbers });
}

/** Unpacks a tar over `lowers` (topmost first) into `upper`, and settles that, as a commit does. */
export async function unpackTar(
  tar: Uint8Array,
  lowers: readonly ReadLayer[],
  upper: MemLayer,
): Promise<Applied> {
  const union = new Union({ lowers, upper });
  const applied = await apply(Readable.from([tar]), union);
  union.settle();
  return applied;
}

/** The layers of a chain, topmost first, each unpacked over those before it. */
export async function chainOf(...layers: readonly (readonly Draft[])[]): Promise<MemLayer[]> {
  const chain: MemLayer[] = [];
  for (const [at, drafts] of layers.entries()) {
    const upper = memLayer(`layer ${at}`);
    await unpackTar(writeTar(drafts), chain, upper);
    chain.unshift(upper);
  }
  return chain;
}

export function unionOf(lowers: readonly ReadLayer[]): Union {
  return new Union({ lowers });
}

/** What a union shows: each path with its kind, and the content of files and targets of symlinks. */
export function shown(union: Union): Record<ByteString, string> {
  const found: Record<ByteString, string> = {};
  for (const { path, node, attr } of walkTree(union)) {
    if (path === '') continue;
    if (isRegular(attr.mode)) {
      const handle = union.open(node, O_RDONLY);
      const bytes = Buffer.alloc(attr.size);
      union.read(handle, 0, bytes);
      union.release(handle);
      found[path] = `file ${bytes.toString('latin1')}`;
    } else if (isSymlink(attr.mode)) found[path] = `symlink ${union.readlink(node)}`;
    else found[path] = kindOf(attr.mode);
  }
  return found;
}
