// The Debian test image as containerd takes it. One of its layers has a whiteout below a name that the same layer makes a
// file of; containerd 1.6 fails there, with any snapshotter. The entry means nothing, and is left out.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';

export const top = new URL('../..', import.meta.url).pathname;
/** What test/image/make-image.sh makes. */
export const image = join(top, '.cache', 'image');

/** The name that containerd gives it. */
export const DEBIAN = 'docker.io/library/debian:test';

const LAYER = 2;
const ENTRY = 'opt/swap/x-dir/.wh.in';

interface Named {
  digest: string;
  size: number;
}

/** Makes the image, if it is not there, and writes `folder`/oci and `folder`/debian.tar; tagged `debian`. */
export function makeDebian(folder: string): { readonly layout: string; readonly archive: string } {
  execFileSync('sh', [join(top, 'test/image/make-image.sh'), image], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const layout = join(folder, 'oci');
  execFileSync('cp', ['-al', join(image, 'oci'), layout]);
  const blobs = join(layout, 'blobs/sha256');
  const read = (blob: Named) => readFileSync(join(blobs, blob.digest.slice('sha256:'.length)));
  const put = (blob: Named, bytes: Buffer) => {
    const hex = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(blobs, hex), bytes);
    Object.assign(blob, { digest: `sha256:${hex}`, size: bytes.length });
  };

  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));
  const manifest = JSON.parse(read(index.manifests[0]).toString());
  const config = JSON.parse(read(manifest.config).toString());
  const bytes = without(gunzipSync(read(manifest.layers[LAYER])), ENTRY);
  config.rootfs.diff_ids[LAYER] = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  put(manifest.layers[LAYER], gzipSync(bytes));
  put(manifest.config, Buffer.from(JSON.stringify(config)));
  index.manifests[0].annotations['io.containerd.image.name'] = DEBIAN;
  put(index.manifests[0], Buffer.from(JSON.stringify(manifest)));
  // The files of the layout are links to those of the cache.
  rmSync(join(layout, 'index.json'));
  writeFileSync(join(layout, 'index.json'), JSON.stringify(index));
  const archive = join(folder, 'debian.tar');
  execFileSync('tar', ['-cf', archive, '-C', layout, 'oci-layout', 'index.json', 'blobs']);
  return { layout, archive };
}

/** A tar without one of its entries: its headers, its data, and the extended headers before it. */
function without(tar: Buffer, name: string): Buffer {
  const text = (at: number, length: number) =>
    tar.toString('latin1', at, at + length).split('\0', 1)[0] ?? '';
  for (let at = 0, start = 0; at < tar.length; ) {
    const end = at + 512 * (1 + Math.ceil(Number.parseInt(text(at + 124, 12) || '0', 8) / 512));
    const isExtension = ['x', 'L', 'K'].includes(text(at + 156, 1));
    if (!isExtension && text(at, 100) === name)
      return Buffer.concat([tar.subarray(0, start), tar.subarray(end)]);
    at = end;
    if (!isExtension) start = end;
  }
  throw new Error(`the layer has no ${name}`);
}
