// An OCI image layout (image-spec, image-layout.md) as a source: index.json is the way in, blobs lie under their
// digests, and an entry's name stands in its annotations.

import { digestHex } from '../digest.js';
import { StoreError } from '../errors.js';
import type { Descriptor } from '../metadata/rows.js';
import { readMember } from './member-bytes.js';
import type { Members } from './members.js';
import { checkLayout, parseIndex } from './oci.js';
import type { ImageSource, SourceEntry } from './source.js';

/** containerd writes the whole name here; others have only `REF_NAME`, which may be a bare tag. */
export const NAME_ANNOTATION = 'io.containerd.image.name';
export const REF_NAME_ANNOTATION = 'org.opencontainers.image.ref.name';

export async function openLayout(members: Members, what: string): Promise<ImageSource> {
  const layout = await readMember(members, 'oci-layout', what);
  // Some writers of plain layouts leave the version out; the index is what counts.
  if (layout !== undefined) await checkLayout(layout, 'oci-layout');
  const bytes = await readMember(members, 'index.json', what);
  if (bytes === undefined) throw new StoreError('corrupt', what, 'index.json is missing');
  const index = await parseIndex(bytes, 'index.json');
  return {
    entries: index.manifests.map(entryOf),
    async blob(digest) {
      const path = `blobs/sha256/${digestHex(digest)}`;
      const size = await members.size(path);
      if (size === undefined) return undefined;
      return { size, stream: (offset) => members.stream(path, offset) };
    },
    close: () => members.close(),
  };
}

function entryOf(descriptor: Descriptor): SourceEntry {
  const name = descriptor.annotations?.[NAME_ANNOTATION] ?? descriptor.annotations?.[REF_NAME_ANNOTATION];
  return name === undefined || name === '' ? { descriptor } : { name, descriptor };
}
