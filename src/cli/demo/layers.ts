// Writes one layer of the demo's image: the tar that a build tool would have made of a change to the source
// folder, with whiteouts and opaque marks as the OCI layer specification spells them (layer.md, "Whiteouts").

import { createHash } from 'node:crypto';
import { createWriteStream, lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import {
  type ByteString,
  basename,
  dirname,
  fromBytes,
  joinPath,
  PERMISSION_BITS,
} from '../../../fs/index.js';
import { TAR_END, tarHeader, tarPadding } from '../../diff/layer-tar-writer.js';
import type { TarEntry } from '../../diff/tar-entry.js';
import type { Digest } from '../../digest.js';
import { placeOf } from './edits.js';

/** What a layer says about the source folder as it is now. */
export interface LayerContent {
  /** Entries that are new or changed, with their folders. */
  readonly present: readonly ByteString[];
  /** Names that exist below and no longer do. */
  readonly gone?: readonly ByteString[];
  /** Folders of which nothing below is to be seen. */
  readonly opaque?: readonly ByteString[];
  /** Further names of files that lie in a layer below, and the name that they have there. */
  readonly links?: ReadonlyMap<ByteString, ByteString>;
}

export interface WrittenLayer {
  /** Of the tar, before compression. */
  readonly diffId: Digest;
  /** Of the file. */
  readonly digest: Digest;
  readonly size: number;
}

/** Writes the gzipped tar of a layer to `file`. */
export async function writeLayer(
  source: string,
  content: LayerContent,
  file: string,
  signal: AbortSignal,
): Promise<WrittenLayer> {
  const plain = createHash('sha256');
  const packed = createHash('sha256');
  let size = 0;
  await pipeline(
    tarOf(source, content),
    async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        plain.update(chunk);
        yield chunk;
      }
    },
    createGzip({ level: 1, chunkSize: 256 * 1024 }),
    async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        packed.update(chunk);
        size += chunk.length;
        yield chunk;
      }
    },
    createWriteStream(file),
    { signal },
  );
  return { diffId: `sha256:${plain.digest('hex')}`, digest: `sha256:${packed.digest('hex')}`, size };
}

async function* tarOf(source: string, content: LayerContent): AsyncGenerator<Uint8Array> {
  const marks = [
    ...(content.gone ?? []).map((path) => joinPath(dirname(path), `.wh.${basename(path)}`)),
    ...(content.opaque ?? []).map((path) => joinPath(path, '.wh..wh..opq')),
  ];
  const firstNames = new Map<string, ByteString>();
  const isMark = new Set(marks);
  for (const path of [...content.present, ...marks].sort()) {
    if (isMark.has(path)) {
      yield tarHeader(markEntry(path));
      continue;
    }
    // Small files: one read each is several times faster than a stream each.
    const entry = entryOf(source, path, firstNames, content.links);
    yield tarHeader(entry);
    if (entry.type !== 'file') continue;
    yield readFileSync(placeOf(source, path));
    yield tarPadding(entry.size);
  }
  yield TAR_END;
}

const NOTHING = {
  size: 0,
  linkname: '',
  devmajor: 0,
  devminor: 0,
  xattrs: new Map<ByteString, Uint8Array>(),
} as const;

function markEntry(path: ByteString): TarEntry {
  return { ...NOTHING, path, type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: { sec: 0, nsec: 0 } };
}

function entryOf(
  source: string,
  path: ByteString,
  firstNames: Map<string, ByteString>,
  links: ReadonlyMap<ByteString, ByteString> | undefined,
): TarEntry {
  const stat = lstatSync(placeOf(source, path), { bigint: true });
  const ns = Number(stat.mtimeNs % 1_000_000_000n);
  const common = {
    ...NOTHING,
    path,
    mode: Number(stat.mode) & PERMISSION_BITS,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtime: { sec: Number(stat.mtimeNs / 1_000_000_000n), nsec: ns },
  };
  if (stat.isDirectory()) return { ...common, type: 'folder' };
  if (stat.isSymbolicLink()) {
    const target = fromBytes(readlinkSync(placeOf(source, path), { encoding: 'buffer' }));
    return { ...common, type: 'symlink', linkname: target };
  }
  const file = `${stat.dev}:${stat.ino}`;
  const first = links?.get(path) ?? firstNames.get(file);
  if (first !== undefined) return { ...common, type: 'link', linkname: first };
  firstNames.set(file, path);
  return { ...common, type: 'file', size: Number(stat.size) };
}
