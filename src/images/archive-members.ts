// What goes into an archive, in order, and the tar of it: owners and times are zero, so that the same members give
// the same bytes.

import { fromText } from '../../fs/index.js';
import { TAR_END, tarHeader, tarPadding } from '../diff/layer-tar-writer.js';
import type { Digest } from '../digest.js';

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

export async function* packTar(members: Iterable<ArchiveMember>): AsyncIterable<Uint8Array> {
  for (const member of members) {
    const size = member.kind === 'file' ? member.size : 0;
    yield tarHeader({
      path: fromText(member.path),
      type: member.kind,
      mode: member.kind === 'file' ? 0o644 : 0o755,
      uid: 0,
      gid: 0,
      size,
      mtime: { sec: 0, nsec: 0 },
      linkname: '',
      devmajor: 0,
      devminor: 0,
      xattrs: new Map(),
    });
    if (member.kind === 'folder') continue;
    yield* member.stream();
    yield tarPadding(size);
  }
  yield TAR_END;
}
