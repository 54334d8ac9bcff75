// The image that engines are tried on, and the tree that umoci unpacks of it.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { top } from '../program.js';
import type { Need } from '../requires.js';
import { listTree } from '../tree.js';

/** What making it needs of the machine. */
export const IMAGE_NEEDS: readonly Need[] = [
  ...(['root', 'fuse', 'program:umoci', 'program:skopeo', 'program:mmdebstrap', 'program:getfattr'] as const),
];

/** How engines name it when they have loaded it. */
export const DEBIAN = 'docker.io/library/debian:test';

export interface DebianImage {
  /** An OCI archive. */
  readonly archive: string;
  /** Packages that are not in the image, as .deb files. */
  readonly packages: string;
  /** What umoci unpacks; see test/tree.ts. */
  readonly tree: ReadonlyMap<string, string>;
}

let made: DebianImage | undefined;

/** Made once a run; the archive once a checkout. */
export function debianImage(): DebianImage {
  made ??= make();
  return made;
}

function make(): DebianImage {
  const image = join(top, '.cache/image');
  const folder = join(top, '.cache/engines');
  const script = (...words: string[]) =>
    execFileSync('sh', words, { stdio: ['ignore', 'inherit', 'inherit'] });
  script(join(top, 'test/image/make-image.sh'), image);
  script(join(top, 'test/engines/make-image.sh'), folder, image, join(top, 'bin/mica'));
  return {
    archive: join(folder, 'debian.oci.tar'),
    packages: join(image, 'debs'),
    tree: listTree(join(folder, 'rootfs')),
  };
}
