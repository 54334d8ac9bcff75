// Archives of blobs (OCI layouts, docker-archives) as a tar, through tar-stream: their members are plain files and
// folders under short names, which is all that it keeps. Owners and times are zero, so that the same members give
// the same bytes.

import { pack as newPack, type Pack } from 'tar-stream';
import type { Digest } from '../digest.js';
import { StoreError } from '../errors.js';

export interface ArchiveFolder {
  readonly kind: 'folder';
  readonly path: string;
}

export interface ArchiveFile {
  readonly kind: 'file';
  readonly path: string;
  readonly size: number;
  /** Of a blob. */
  readonly digest?: Digest;
  /** Exactly `size` bytes. */
  stream(): AsyncIterable<Uint8Array>;
}

export type ArchiveMember = ArchiveFolder | ArchiveFile;

/**
 * The tar of `members`, in their order, as it is read: no member is held whole. Throws what a member's stream
 * throws, and StoreError 'corrupt' for one that has not the bytes that its size promises.
 */
export async function* packTar(members: Iterable<ArchiveMember>): AsyncIterable<Uint8Array> {
  const pack = newPack();
  // What fails there reaches whoever reads the pack.
  void feed(pack, members).catch((error: unknown) => {
    pack.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  for await (const chunk of pack) yield chunk as Uint8Array;
}

async function feed(pack: Pack, members: Iterable<ArchiveMember>): Promise<void> {
  for (const member of members) {
    if (pack.destroyed) return;
    await (member.kind === 'folder' ? addFolder(pack, member) : addFile(pack, member));
  }
  pack.finalize();
}

function addFolder(pack: Pack, { path }: ArchiveFolder): Promise<void> {
  return new Promise((done, fail) => {
    const header = { name: `${path}/`, type: 'directory', mode: 0o755, mtime: new Date(0) } as const;
    pack.entry(header, (error) => (error ? fail(error) : done()));
  });
}

async function addFile(pack: Pack, { path, size, stream }: ArchiveFile): Promise<void> {
  const sink = pack.entry({ name: path, size, mode: 0o644, mtime: new Date(0) });
  // Without a listener a failure would end the process; it is thrown below.
  let failure: Error | undefined;
  sink.on('error', (error) => {
    failure = error;
  });
  const closed = new Promise<void>((done) => sink.once('close', () => done()));
  let written = 0;
  for await (const chunk of stream()) {
    written += chunk.length;
    if (written > size) break;
    // The reader may have gone away, and then nothing drains any more.
    if (!sink.write(chunk)) {
      await Promise.race([closed, new Promise<void>((done) => sink.once('drain', () => done()))]);
    }
    if (sink.destroyed) break;
  }
  if (failure === undefined && !sink.destroyed && written !== size) {
    throw new StoreError(
      'corrupt',
      'cannot write archive',
      `${path} has other than the ${size} bytes promised`,
    );
  }
  sink.end(undefined);
  await closed;
  if (failure !== undefined) throw failure;
}
