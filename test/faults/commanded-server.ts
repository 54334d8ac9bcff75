// A mount's server that is commanded as commanded.ts says.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { Served, type ServeOptions } from '../mount/mounted.js';

const HERE = fileURLToPath(new URL('.', import.meta.url));

/** Writes the module into `folder` and returns its path: one file, which the server loads as it is. */
export function buildCommanded(folder: string): string {
  const outfile = join(folder, 'commanded.mjs');
  buildSync({
    entryPoints: [join(HERE, 'commanded.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    // Where koffi is found from: the server must meet the same one.
    define: { 'import.meta.url': JSON.stringify(new URL('libc.ts', import.meta.url).href) },
    outfile,
  });
  return outfile;
}

/** The server, waiting to be told by names; `module` is what `buildCommanded` wrote. */
export function serveCommanded(options: ServeOptions, module: string): Served {
  return new Served(options, ['env', `NODE_OPTIONS=--import ${module}`]);
}
