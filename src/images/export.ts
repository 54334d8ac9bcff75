// Export: an image as an OCI layout (tar or folder) or as an archive for `docker load`, which is an OCI layout
// with a manifest.json beside it. Blobs go out as they are, so every digest stays; the same image always gives
// the same archive. It is written under a temporary name and renamed when it is whole.

import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { type ArchiveMember, packTar } from '../archive/pack.js';
import { asStoreError, hasCode } from '../content/system-error.js';
import type { Compression } from '../diff/compression.js';
import type { Digest } from '../digest.js';
import { StoreError } from '../errors.js';
import type { ImageRow, Platform } from '../metadata/rows.js';
import { exportedFiles } from './exported-files.js';
import { assertGoesOn } from './failure.js';
import type { ImageStore, OnProgress } from './images.js';

export type ExportFormat = 'oci' | 'docker';

export interface ExportOptions {
  /** Default `oci`. */
  readonly format?: ExportFormat;
  /** Only the image of this platform; default: the whole index if all of it is here, else what is. */
  readonly platform?: Platform;
  /** Of the layers; default: as they are stored. The image of one platform goes out then, under another digest. */
  readonly compression?: Compression;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

/**
 * Writes the image to `out`: a file, or a folder if `out` is one that is empty or ends in a slash. Replaces a file
 * that was there; a device or a pipe is written to. Returns the digest under which the image went out. corrupt if a part
 * of the image is missing; nothing is left at `out` then.
 */
export async function exportImage(
  store: Pick<ImageStore, 'content'>,
  row: ImageRow,
  out: string,
  options: ExportOptions = {},
): Promise<Digest> {
  const what = `cannot export image ${row.name}`;
  const { target, members } = await exportedFiles(store.content, row, options, what);
  const path = resolve(out);
  const place = out.endsWith('/') ? 'folder' : await kindOfPlace(path, what);
  const temporary = join(dirname(path), `.mica-export-${process.pid}-${Date.now().toString(36)}`);
  try {
    if (place === 'device') {
      await writeTar(members, path, 'w', what, options);
      return target.digest;
    }
    if (place === 'folder') await writeFolder(members, temporary, what, options);
    else await writeTar(members, temporary, 'wx', what, options);
    await rename(temporary, path);
    return target.digest;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw hasCode(error, 'ENOENT')
      ? new StoreError('not-found', what, `the folder ${dirname(path)} does not exist`, { cause: error })
      : asStoreError(error, what);
  }
}

/** Writes the image as a tar to a stream, such as the standard output, and leaves the stream open. */
export async function exportImageTo(
  store: Pick<ImageStore, 'content'>,
  row: ImageRow,
  out: Writable,
  options: ExportOptions = {},
): Promise<void> {
  const what = `cannot export image ${row.name}`;
  const { members } = await exportedFiles(store.content, row, options, what);
  for await (const chunk of packTar(watched(members, what, options))) {
    await new Promise<void>((done, fail) =>
      out.write(chunk, (error) => (error ? fail(asStoreError(error, what)) : done())),
    );
  }
}

async function writeTar(
  members: readonly ArchiveMember[],
  path: string,
  flags: 'w' | 'wx',
  what: string,
  options: ExportOptions,
): Promise<void> {
  const file = await open(path, flags, 0o644);
  try {
    for await (const chunk of packTar(watched(members, what, options))) await file.writeFile(chunk);
    if (flags === 'wx') await file.sync();
  } finally {
    await file.close();
  }
}

async function writeFolder(
  members: readonly ArchiveMember[],
  folder: string,
  what: string,
  options: ExportOptions,
): Promise<void> {
  await mkdir(folder, { mode: 0o755 });
  for (const member of watched(members, what, options)) {
    const path = join(folder, member.path);
    if (member.kind === 'folder') {
      await mkdir(path, { mode: 0o755 });
      continue;
    }
    const file = await open(path, 'wx', 0o644);
    try {
      for await (const chunk of member.stream()) await file.writeFile(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

/** The members with progress and cancellation around their bytes. */
function* watched(
  members: readonly ArchiveMember[],
  what: string,
  { onProgress, signal }: ExportOptions,
): Iterable<ArchiveMember> {
  for (const member of members) {
    if (member.kind === 'folder') {
      yield member;
      continue;
    }
    async function* stream(): AsyncIterable<Uint8Array> {
      if (member.kind === 'folder') return;
      let done = 0;
      for await (const chunk of member.stream()) {
        assertGoesOn(signal, what);
        yield chunk;
        done += chunk.length;
        if (member.digest !== undefined) {
          onProgress?.({ phase: 'write', id: member.digest, done, total: member.size });
        }
      }
    }
    yield { ...member, stream };
  }
}

/** What is written at `path`. A device or a pipe (`/dev/null`) is written to, never replaced. */
async function kindOfPlace(path: string, what: string): Promise<'file' | 'folder' | 'device'> {
  try {
    const found = await stat(path);
    if (!found.isDirectory()) return found.isFile() ? 'file' : 'device';
    if ((await readdir(path)).length === 0) return 'folder';
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return 'file';
    throw asStoreError(error, what);
  }
  throw new StoreError('already-exists', what, `${path} is a folder that is not empty`);
}
