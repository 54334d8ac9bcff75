// Makes the demo's image: an OCI layout of three layers on the spot. The second layer deletes a file and a folder,
// replaces a folder as a whole and gives a file of the first layer a further name; the third changes a file.

import { mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ByteString, dirname, joinPath } from '../../../fs/index.js';
import { type Digest, digestHex, digestOf } from '../../digest.js';
import { StoreError } from '../../errors.js';
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST } from '../../images/media-types.js';
import { hostPlatform } from '../../images/platform.js';
import { timeNow } from '../../time.js';
import { addLink, append, remove, removeFolder, replaceFolder } from './edits.js';
import { type LayerContent, writeLayer } from './layers.js';
import { Places } from './places.js';
import { scanFolder } from './scan.js';
import type { Tree } from './tree.js';

const KIB = 1024;

export interface DemoImage {
  /** The OCI layout. */
  readonly layout: string;
  readonly name: string;
  readonly layers: number;
  /** Bytes of all layers, compressed. */
  readonly size: number;
  /** What the layers above the first have touched. */
  readonly touched: readonly ByteString[];
  /** The tree that the image shows. */
  readonly tree: Tree;
}

/** Makes the image of the folder `source`, which is changed meanwhile and shows what the image shows afterwards. */
export async function makeDemoImage(source: string, layout: string, signal: AbortSignal): Promise<DemoImage> {
  const blobs = join(layout, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const base = scanFolder(source);
  const places = new Places(base);
  const contents: { readonly content: () => Promise<LayerContent>; readonly comment: string }[] = [];
  const everything = [...base.keys()].filter((path) => path !== '');
  contents.push({ comment: 'the files of Node', content: async () => ({ present: everything }) });

  const goneFile = needed(places.file(/^(AUTHORS|CHANGELOG|HISTORY)/i, 64 * KIB));
  const goneFolder = needed(places.folder(false));
  const replaced = needed(places.folder(true));
  const linked = needed(places.file(/^index\.[cm]?js$/, 256 * KIB));
  const link = `${linked}.linked`;
  contents.push({
    comment: 'deletions, a folder replaced as a whole, a hard link into the layer below',
    content: async () => {
      await remove(source, goneFile);
      await removeFolder(source, goneFolder);
      await replaceFolder(source, replaced);
      await addLink(source, linked, link);
      const inside = ['new-one', 'new-two'].map((name) => joinPath(replaced, name));
      const folders = [goneFile, goneFolder, replaced, link].flatMap(foldersAbove);
      return {
        present: [...new Set([...folders, replaced, ...inside, link])],
        gone: [goneFile, goneFolder],
        opaque: [replaced],
        links: new Map([[link, linked]]),
      };
    },
  });

  const changed = needed(places.file(/^readme/i, 256 * KIB));
  const second = joinPath(replaced, 'new-two');
  contents.push({
    comment: 'a changed file, and a deletion in the folder that was replaced',
    content: async () => {
      await append(source, changed, '\nchanged by the third layer\n');
      await remove(source, second);
      const folders = [changed, second].flatMap(foldersAbove);
      return { present: [...new Set([...folders, changed])], gone: [second] };
    },
  });

  const layers: { readonly digest: Digest; readonly size: number; readonly diffId: Digest }[] = [];
  for (const { content } of contents) {
    signal.throwIfAborted();
    const file = join(blobs, 'layer');
    const layer = await writeLayer(source, await content(), file, signal);
    renameSync(file, join(blobs, digestHex(layer.digest)));
    layers.push(layer);
  }
  writeManifest(
    layout,
    layers,
    contents.map(({ comment }) => comment),
  );
  return {
    layout,
    name: 'mica.demo/node:latest',
    layers: layers.length,
    size: layers.reduce((sum, { size }) => sum + size, 0),
    touched: [goneFile, goneFolder, replaced, linked, link, changed],
    tree: scanFolder(source),
  };
}

/** Any tree of Node's has such places; one that has not makes no image. */
function needed(path: ByteString | undefined): ByteString {
  if (path !== undefined) return path;
  throw new StoreError('failed', 'cannot make an image of this Node', 'its files are too few', {
    hint: 'mica demo IMAGE.tar',
  });
}

/** The folders on the way to a path, without the root. */
function foldersAbove(path: ByteString): ByteString[] {
  const folders: ByteString[] = [];
  for (let folder = dirname(path); folder !== ''; folder = dirname(folder)) folders.push(folder);
  return folders;
}

function writeManifest(
  layout: string,
  layers: readonly { readonly digest: Digest; readonly size: number; readonly diffId: Digest }[],
  comments: readonly string[],
): void {
  const created = timeNow();
  const { os, architecture } = hostPlatform();
  const config = writeBlob(layout, OCI_CONFIG, {
    created,
    architecture,
    os,
    config: { Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: comments.map((comment) => ({ created, created_by: 'mica demo', comment })),
  });
  const manifest = writeBlob(layout, OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config,
    layers: layers.map(({ digest, size }) => ({ mediaType: OCI_LAYER_GZIP, digest, size })),
  });
  const annotations = { 'org.opencontainers.image.ref.name': 'mica.demo/node:latest' };
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [{ ...manifest, annotations }] };
  writeFileSync(join(layout, 'index.json'), JSON.stringify(index));
  writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
}

function writeBlob(
  layout: string,
  mediaType: string,
  value: unknown,
): { mediaType: string; digest: Digest; size: number } {
  const bytes = Buffer.from(JSON.stringify(value));
  const digest = digestOf(bytes);
  const file = join(layout, 'blobs/sha256', digestHex(digest));
  writeFileSync(file, bytes);
  return { mediaType, digest, size: statSync(file).size };
}
