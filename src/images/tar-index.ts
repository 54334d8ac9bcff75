// Where each file of an image archive lies in its tar, of which only headers are read. Names are cleaned (`./a` is
// `a`), links between members are followed, because `docker save` and skopeo name one layer several times.

import type { FileHandle } from 'node:fs/promises';
import { dirname, toText } from '../../fs/index.js';
import { LayerTarReader } from '../diff/layer-tar-reader.js';
import type { TarEntry } from '../diff/tar-entry.js';
import { corruptTar } from '../diff/tar-format.js';
import { StoreError } from '../errors.js';
import { assertGoesOn } from './failure.js';

export interface TarMember {
  /** Of its data, in bytes from the start of the tar. */
  readonly offset: number;
  readonly size: number;
}

/** Read at a time: a header and the small files that follow it. */
const CHUNK = 64 * 1024;

/** More members than any image has: what is above it is no image but would fill the memory. */
const MEMBERS_MAX = 1_000_000;

/**
 * Reads the headers of a tar of `size` bytes; corrupt if it is cut short. The last of several members with one name
 * counts.
 */
export async function indexTar(
  file: FileHandle,
  size: number,
  what: string,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, TarMember>> {
  const files = new Map<string, TarMember>();
  const links = new Map<string, string>();
  const buffer = Buffer.allocUnsafe(CHUNK);
  /** Of the entry in hand, until its data begins. */
  let name = '';
  let length = 0;
  let base = 0;
  const place = (offset: number) => {
    if (name !== '') files.set(name, { offset, size: length });
    name = '';
  };
  const reader = new LayerTarReader({
    entry(entry) {
      name = entry.type === 'file' ? cleanPath(toText(entry.path)) : '';
      if (files.size + links.size >= MEMBERS_MAX) {
        throw new StoreError('unsupported', what, `the archive has more than ${MEMBERS_MAX} members`);
      }
      if (entry.sparse !== undefined) {
        throw new StoreError('unsupported', what, `member ${toText(entry.path)} is a sparse file`);
      }
      length = entry.size;
      if (entry.type === 'symlink' || entry.type === 'link') links.set(...linkOf(entry));
    },
    // Data comes as slices of the chunk that was pushed.
    data: (_offset, bytes) => place(base + bytes.byteOffset - buffer.byteOffset),
    // An empty file has no data to learn its place from, and needs none.
    end: () => place(0),
  });
  while (!reader.done && base < size) {
    assertGoesOn(signal, what);
    const { bytesRead } = await file.read(buffer, 0, CHUNK, base);
    if (bytesRead === 0) break;
    reader.push(buffer.subarray(0, bytesRead));
    base += bytesRead;
    place(base);
    base += reader.skip();
  }
  if (base > size) throw corruptTar('the archive is cut short', size);
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
