// What can be imported: an OCI layout (folder or tar) or a docker-archive, found out by looking. Both are shown
// the same way: names with the descriptors they stand for, and blobs by digest.
//
// An archive of Docker 25 and later is both. Its OCI side is taken, because that keeps the digests of manifests;
// where its index is empty, manifest.json is.

import type { Digest } from '../digest.js';
import { StoreError } from '../errors.js';
import type { Descriptor } from '../metadata/rows.js';
import { openDockerArchive } from './docker-archive.js';
import { openLayout } from './layout.js';
import { type Members, type OpenOptions, openMembers } from './members.js';

export interface SourceEntry {
  /** The image's name; absent where the source does not say. */
  readonly name?: string;
  readonly descriptor: Descriptor;
}

export interface SourceBlob {
  readonly size: number;
  stream(offset: number): AsyncIterable<Uint8Array>;
}

export interface ImageSource {
  readonly entries: readonly SourceEntry[];
  /** undefined if the source does not hold the blob. Bytes are not verified yet. */
  blob(digest: Digest): Promise<SourceBlob | undefined>;
  close(): Promise<void>;
}

/**
 * Opens a layout folder, an archive (also compressed) or `-`, the standard input. not-found if it is not there,
 * invalid-argument if it is neither kind, corrupt if it is damaged. `what` begins the errors.
 */
export async function openImageSource(
  source: string,
  what: string,
  options: OpenOptions = {},
): Promise<ImageSource> {
  const members = await openMembers(source, what, options);
  try {
    return await sniff(members, what);
  } catch (error) {
    await members.close();
    throw error;
  }
}

async function sniff(members: Members, what: string): Promise<ImageSource> {
  const hasDockerManifest = (await members.size('manifest.json')) !== undefined;
  if ((await members.size('index.json')) !== undefined) {
    const layout = await openLayout(members, what);
    if (layout.entries.length > 0 || !hasDockerManifest) return layout;
  }
  if (hasDockerManifest) return openDockerArchive(members, what);
  throw new StoreError(
    'invalid-argument',
    what,
    'neither an OCI layout (no index.json) nor a docker-archive (no manifest.json)',
    { hint: 'mica image create REF --from PATH makes an image of a root folder or tar' },
  );
}
