// Makes dist/bundle of what tsc has compiled: each part of the program as one file, and V8's compiled form of it beside
// it (start.cjs says why). Modules know where they lie, for the files beside them: in a bundle each is told the
// place that it has in dist/, but the threads and processes of a mount or a container are started from their bundles in turn.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const { bundlePath, compile, compiledPath } = createRequire(import.meta.url)('./start.cjs');
const dist = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist');

const PARTS = {
  mica: 'src/cli/main.js',
  'mica-overlayfs': 'src/mount-program/main.js',
  host: 'src/mounts/host.js',
  'shared-host': 'src/mounts/shared-host.js',
  keeper: 'src/run/keeper.js',
  init: 'src/run/init.js',
  server: 'fs/transport/dev-fuse-worker.js',
  lane: 'fs/transport/lane-worker.js',
};

/** What starts a part: the module that does it, and what stands there for the module of the part. */
const STARTS = {
  'src/mounts/start.js': { from: "'./host.js'", to: "'../../../bin/host.cjs'" },
  'src/mounts/join-host.js': { from: "'./shared-host.js'", to: "'../../../bin/shared-host.cjs'" },
  'src/run/start-keeper.js': { from: "'./keeper.js'", to: "'../../../bin/keeper.cjs'" },
  'src/run/start-init.js': { from: "'./init.js'", to: "'../../../bin/init.cjs'" },
  'fs/transport/dev-fuse.js': { from: "'./dev-fuse-worker.js'", to: "'../../../bin/server.cjs'" },
  'fs/transport/lanes.js': { from: "'./lane-worker.js'", to: "'../../../bin/lane.cjs'" },
};

/** The first line of each bundle. */
const PLACE_IN_DIST =
  "const __placeInDist = (place) => require('node:url').pathToFileURL(__dirname + '/../' + place).href;";

/** Native code, which finds its files beside itself, and what is loaded by few commands. */
const EXTERNAL = [
  '@bufbuild/protobuf',
  '@grpc/grpc-js',
  'fuse-native',
  'fzstd',
  'koffi',
  'lmdb',
  'tar-stream',
];

const places = {
  name: 'places',
  setup(bundling) {
    bundling.onLoad({ filter: /\.js$/ }, ({ path }) => {
      const place = relative(dist, path);
      if (place.startsWith('..')) return undefined;
      const url = `__placeInDist(${JSON.stringify(place)})`;
      return { contents: started(place, readFileSync(path, 'utf8')).replaceAll('import.meta.url', url) };
    });
  },
};

function started(place, text) {
  const start = STARTS[place];
  if (start === undefined) return text;
  if (text.split(start.from).length !== 2) throw new Error(`${place} does not name ${start.from} once`);
  return text.replace(start.from, start.to);
}

async function bundle(part, module) {
  const path = bundlePath(part);
  const { outputFiles } = await build({
    entryPoints: [join(dist, module)],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    target: 'node20.19',
    // import() from a script needs a loader of its own; require does the same here.
    supported: { 'dynamic-import': false },
    external: EXTERNAL,
    banner: { js: PLACE_IN_DIST },
    plugins: [places],
    // Each thread of a shared host has a copy of its source. Names stay, for the traces in a log.
    minifyWhitespace: true,
    // Node shows the line of what nobody caught.
    lineLimit: 160,
    logLevel: 'warning',
  });
  // Without its compiled form a bundle is not used, so that goes first and comes last, and whole.
  rmSync(compiledPath(path), { force: true });
  writeFileSync(path, outputFiles[0].contents);
  writeFileSync(`${compiledPath(path)}.new`, compile(path).createCachedData());
  renameSync(`${compiledPath(path)}.new`, compiledPath(path));
}

mkdirSync(join(dist, 'bundle'), { recursive: true });
for (const [part, module] of Object.entries(PARTS)) await bundle(part, module);
