// `npm run bench [WORD...]`: our time beside kernel overlayfs and fuse-overlayfs, all three in one run over the same
// folders, as ratios (above 1: the peer is slower than we are). The result of every workload is checked; a wrong or missing one
// ends the run with exit code 1. Words choose workloads by a part of their name. Needs root.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeBigLayer, makeLayers } from './fixture.mjs';
import { NAMES, present, withMount } from './peers.mjs';
import { prepareShared, WORKLOADS } from './workloads.mjs';

const ROUNDS = Number(process.env.MICA_BENCH_ROUNDS ?? 3);
if (process.geteuid() !== 0) {
  process.stderr.write('bench: only root may drop caches and mount the kernel overlayfs\n');
  process.exit(6);
}
const words = process.argv.slice(2);
const chosen = WORKLOADS.filter(
  (workload) => words.length === 0 || words.some((word) => workload.name.includes(word)),
);
if (chosen.length === 0) {
  process.stderr.write(
    `bench: no workload is called ${words.join(', ')}; there are: ${WORKLOADS.map((w) => w.name).join(', ')}\n`,
  );
  process.exit(2);
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const base = mkdtempSync(join(process.env.MICA_BENCH_DIR ?? tmpdir(), 'mica-bench-'));
let wrong = 0;
try {
  const shared = prepareShared(base);
  const fixtures = new Map();
  const fixture = (layers) => {
    if (!fixtures.has(layers)) {
      const folder = join(base, `layers-${layers}`);
      mkdirSync(folder);
      const made =
        layers === 'big'
          ? makeBigLayer(folder, shared.big)
          : makeLayers(folder, layers, Math.ceil(36_000 / layers));
      fixtures.set(layers, { folder, ...made });
    }
    return fixtures.get(layers);
  };
  const peers = NAMES.filter(present);
  process.stdout.write(
    `${'workload'.padEnd(34)}${peers.map((peer) => `${peer} s`.padStart(18)).join('')}${peers
      .slice(1)
      .map((peer) => `${peer}/ours`.padStart(22))
      .join('')}\n`,
  );
  for (const workload of chosen) {
    const tree = fixture(workload.layers);
    const times = new Map(peers.map((peer) => [peer, []]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const peer of peers) {
        try {
          withMount(peer, tree.folder, tree.names, (mountPoint) => {
            const seconds = workload.run({ mountPoint, merged: tree.merged, shared });
            times.get(peer).push(seconds);
          });
        } catch (error) {
          wrong++;
          process.stderr.write(`bench: ${workload.name}: ${peer}: ${error.message}\n`);
        }
      }
    }
    const medians = peers.map((peer) => (times.get(peer).length === 0 ? undefined : median(times.get(peer))));
    const cell = (value, width, digits) =>
      (value === undefined || !Number.isFinite(value) ? '-' : value.toFixed(digits)).padStart(width);
    const ratios = medians
      .slice(1)
      .map((value) => (value === undefined || medians[0] === undefined ? undefined : value / medians[0]));
    process.stdout.write(
      `${workload.name.padEnd(34)}${medians.map((value) => cell(value, 18, 3)).join('')}${ratios.map((value) => cell(value, 22, 2)).join('')}\n`,
    );
  }
} finally {
  rmSync(base, { recursive: true, force: true });
}
if (wrong > 0) process.stderr.write(`bench: ${wrong} results were wrong or missing\n`);
process.exit(wrong === 0 ? 0 : 1);
