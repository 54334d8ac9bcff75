// Where each file of an image archive lies in its tar. Names are cleaned (`./a` is `a`), links between members
// are followed, because `docker save` and skopeo name one layer several times.

import { dirname, toText } from '../../fs/index.js';
import { LayerTarReader } from '../diff/layer-tar-reader.js';
import type { TarEntry } from '../diff/tar-entry.js';
import { StoreError } from '../errors.js';
import { assertGoesOn } from './failure.js';

export interface TarMember {
  /** Of its data, in bytes from the start of the tar. */
  readonly offset: number;
  readonly size: number;
}

/** More members than any image has: what is above it is no image but would fill the memory. */
const MEMBERS_MAX = 1_000_000;

/** Reads a whole tar; corrupt if it is cut short. The last of several members with one name counts. */
export async function indexTar(
  stream: AsyncIterable<Uint8Array>,
  what: string,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, TarMember>> {
  const files = new Map<string, TarMember>();
  const links = new Map<string, string>();
  let name = '';
  let chunk: Uint8Array = new Uint8Array(0);
  let base = 0;
  const reader = new LayerTarReader({
    entry(entry) {
      name = entry.type === 'file' ? cleanPath(toText(entry.path)) : '';
      if (files.size + links.size >= MEMBERS_MAX) {
        throw new StoreError('unsupported', what, `the archive has more than ${MEMBERS_MAX} members`);
      }
      if (entry.sparse !== undefined) {
        throw new StoreError('unsupported', what, `member ${toText(entry.path)} is a sparse file`);
      }
      // An empty file has no data to learn its place from, and needs none.
      if (name !== '') files.set(name, { offset: 0, size: entry.size });
      else if (entry.type === 'symlink' || entry.type === 'link') links.set(...linkOf(entry));
    },
    data(offset, bytes) {
      if (offset !== 0 || name === '') return;
      const size = files.get(name)?.size ?? 0;
      // Data comes as slices of the chunk that was pushed.
      files.set(name, { offset: base + bytes.byteOffset - chunk.byteOffset, size });
    },
    end() {
      name = '';
    },
  });
  for await (chunk of stream) {
    assertGoesOn(signal, what);
    reader.push(chunk);
    base += chunk.length;
  }
  reader.finish();
  for (const [from, to] of links) {
    const member = files.get(followed(links, to));
    if (member !== undefined && !files.has(from)) files.set(from, member);
  }
  return files;
}

function linkOf(entry: TarEntry): [from: string, to: string] {
  const from = cleanPath(toText(entry.path));
  const target = toText(entry.linkname);
  // A hard link names its target from the root of the archive, a symlink from its own folder.
  return [from, cleanPath(entry.type === 'link' ? target : `${dirname(from)}/${target}`)];
}

/** The end of a chain of links between members. */
function followed(links: ReadonlyMap<string, string>, path: string): string {
  let at = path;
  for (let steps = 0; steps < 40; steps++) {
    const next = links.get(at);
    if (next === undefined) return at;
    at = next;
  }
  return '';
}

/** A path from the archive's root; '' for one that leaves it. */
function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') {
      if (parts.pop() === undefined) return '';
    } else if (part !== '' && part !== '.') {
      parts.push(part);
    }
  }
  return parts.join('/');
}
