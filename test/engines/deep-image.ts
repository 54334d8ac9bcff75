// A small image of many layers, as an OCI archive: a shell, and a folder that each layer changes in the ways in which
// layers are apt to be mixed up.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Draft, writeTar } from '../src/diff/tar-tools.js';
import { runProgram } from './run-program.js';

/** The name that containerd gives it. */
export const DEEP = 'docker.io/library/deep:latest';

const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar';

/** Writes `folder`/deep.tar with the image `deep:latest` of `count` layers. Resolves with its path. */
export async function makeDeepImage(folder: string, count: number): Promise<string> {
  const layout = join(folder, 'deep');
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
  const put = (mediaType: string, bytes: Uint8Array | string) => {
    const hex = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(layout, 'blobs/sha256', hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const tars = [writeTar(shell()), ...Array.from({ length: count - 1 }, (_, i) => writeTar(change(i + 1)))];
  const layers = tars.map((tar) => put(LAYER_TYPE, tar));
  const config = put(
    'application/vnd.oci.image.config.v1+json',
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Env: ['PATH=/bin'], Cmd: ['sh'] },
      rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
    }),
  );
  const manifestType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = put(
    manifestType,
    JSON.stringify({ schemaVersion: 2, mediaType: manifestType, config, layers }),
  );
  const annotations = {
    'org.opencontainers.image.ref.name': 'latest',
    'io.containerd.image.name': DEEP,
  };
  writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  writeFileSync(
    join(layout, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  );
  const archive = join(folder, 'deep.tar');
  await runProgram('tar', ['-cf', archive, '-C', layout, 'oci-layout', 'index.json', 'blobs']);
  return archive;
}

/** What `ls /deep` shows of an image of `count` layers. */
export function deepNames(count: number): readonly string[] {
  const top = count - 1;
  // Of each layer's file the next two leave it, but for what came before a folder was made anew.
  const all = Array.from({ length: top }, (_, i) => i + 1);
  const anew = all.filter((i) => i % 10 === 0).at(-1) ?? 0;
  return all.filter((i) => i >= anew && i > top - 2).map((i) => `f${i}`);
}

function shell(): Draft[] {
  const links = ['sh', 'ls', 'cat', 'sleep', 'rm', 'mkdir', 'touch', 'id'];
  return [
    { path: 'bin', type: 'folder' },
    { path: 'bin/busybox', content: readFileSync('/bin/busybox'), mode: 0o755 },
    ...links.map((name): Draft => ({ path: `bin/${name}`, type: 'symlink', linkname: 'busybox' })),
    { path: 'deep', type: 'folder' },
    { path: 'etc', type: 'folder' },
    { path: 'etc/passwd', content: 'root:x:0:0::/:/bin/sh\n' },
  ];
}

/** Layer `i` adds a file, removes the one that came two layers before, and at times makes the folder anew. */
function change(i: number): Draft[] {
  const gone = i % 10 === 0 ? '.wh..wh..opq' : `.wh.f${i - 2}`;
  return [
    { path: 'deep', type: 'folder' },
    ...(i > 2 ? [{ path: `deep/${gone}` }] : []),
    { path: `deep/f${i}`, content: `${i}` },
  ];
}
