// The union must run in a page: bundle it for a browser, and look for what only Node has.
import { build } from 'esbuild';

const entry = `
  export * from './fs/union/union.ts';
  export * from './fs/union/event.ts';
  export * from './fs/layer/mem-layer.ts';
`;
const result = await build({
  stdin: { contents: entry, resolveDir: process.cwd(), loader: 'ts' },
  bundle: true,
  write: false,
  metafile: true,
  platform: 'browser',
  format: 'esm',
  logLevel: 'error',
});
const text = result.outputFiles[0].text;
const nodeOnly = [/\bBuffer\b/, /\bprocess\./, /\brequire\(/].filter((pattern) => pattern.test(text));
for (const pattern of nodeOnly) process.stderr.write(`the bundle of the union uses ${pattern}\n`);
process.stdout.write(`${Object.keys(result.metafile.inputs).length} files, ${text.length} bytes\n`);
process.exit(nodeOnly.length === 0 ? 0 : 1);
