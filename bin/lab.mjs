// Makes dist/lab: the page of `mica lab` as three files that need no server but one for files, nor the network. It is a
// script of one file, without modules, so that it runs from a disk as well.
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const top = dirname(dirname(fileURLToPath(import.meta.url)));
const from = join(top, 'src/web');
const to = join(top, 'dist/lab');

mkdirSync(to, { recursive: true });
const { metafile } = await build({
  entryPoints: [join(from, 'page.ts'), join(from, 'lab.css')],
  entryNames: 'lab',
  outdir: to,
  bundle: true,
  minify: true,
  metafile: true,
  platform: 'browser',
  format: 'iife',
  target: ['es2022'],
  logLevel: 'warning',
});
copyFileSync(join(from, 'index.html'), join(to, 'index.html'));
for (const [path, { bytes }] of Object.entries(metafile.outputs))
  process.stderr.write(`${path}  ${bytes} bytes\n`);
