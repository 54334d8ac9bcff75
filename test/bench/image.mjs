// The images that are imported: `{ folder, layout, archive }` each, as importing.mjs wants them.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from './measure.mjs';

const top = new URL('../..', import.meta.url).pathname;
const NAME = 'bench';

/**
 * The Debian image of the tests, which make it once, without its two small upper layers: containerd 1.6 cannot unpack the
 * one (a file in place of a folder, and what was deleted of that: "not a directory"), and of the other it puts a file below
 * `bin`, which is a symlink, beside that symlink's target.
 */
export function debianImage(base) {
  return packed(base, join(madeByTests(), 'oci'), [2, 3]);
}

/** Packages that are not in that image, as .deb files in a folder. */
export const packagesOfTests = () => join(madeByTests(), 'debs');

function madeByTests() {
  const made = join(top, '.cache/image');
  must('sh', [join(top, 'test/image/make-image.sh'), made]);
  return made;
}

/** An archive of small files as the one layer of an image. */
export function smallImage(base, tar) {
  const from = join(base, 'small-image');
  must('umoci', ['init', '--layout', from]);
  must('umoci', ['new', '--image', `${from}:${NAME}`]);
  must('umoci', ['raw', 'add-layer', '--image', `${from}:${NAME}`, tar]);
  return packed(base, from, []);
}

/** The one image of a layout, without the layers that stand at `left` from the base up, as a layout and an archive of its own. */
function packed(base, from, left) {
  const folder = join(base, 'image');
  const blobs = 'blobs/sha256';
  mkdirSync(join(folder, blobs), { recursive: true });
  const read = ({ digest }) => JSON.parse(readFileSync(join(from, blobs, digest.slice(7)), 'utf8'));
  const write = (old, value) => {
    const bytes = Buffer.from(JSON.stringify(value));
    const hex = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(folder, blobs, hex), bytes);
    return { mediaType: old.mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const kept = (list) => list.filter((_, at) => !left.includes(at));
  const [target] = JSON.parse(readFileSync(join(from, 'index.json'), 'utf8')).manifests;
  const manifest = read(target);
  const config = read(manifest.config);
  const layers = kept(manifest.layers);
  for (const { digest } of layers) {
    copyFileSync(join(from, blobs, digest.slice(7)), join(folder, blobs, digest.slice(7)));
  }
  const rootfs = { ...config.rootfs, diff_ids: kept(config.rootfs.diff_ids) };
  let at = 0;
  const history = (config.history ?? []).filter(
    ({ empty_layer: isEmpty }) => isEmpty || !left.includes(at++),
  );
  const descriptor = write(target, {
    ...manifest,
    config: write(manifest.config, { ...config, rootfs, history }),
    layers,
  });
  const annotations = { 'org.opencontainers.image.ref.name': NAME };
  const index = { schemaVersion: 2, manifests: [{ ...descriptor, annotations }] };
  writeFileSync(join(folder, 'index.json'), JSON.stringify(index));
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const archive = `${folder}.tar`;
  must('tar', ['-C', folder, '-cf', archive, '.']);
  return { folder, layout: `${folder}:${NAME}`, archive };
}
