// `npm run bench [-- WORD...]`: our time beside kernel overlayfs and fuse-overlayfs, all in one run over the same
// folders, in turn, as medians and ratios. The result of every workload is checked; a wrong or missing one ends the
// run with exit code 1. Words choose workloads by a part of their name. Needs root.
import { mkdtempSync, rmSync } from 'node:fs';

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { contenders } from './contenders.mjs';
import { Fixtures } from './fixture.mjs';
import { failures, header, line, row } from './table.mjs';
import { WORKLOADS } from './workloads.mjs';

const USAGE = `usage: npm run bench -- [WORD...] [options]
  --rounds N             times that each contender has its turn (3)
  --fuse-overlayfs PATH  the fuse-overlayfs to compare with
  --against DIR          another checkout of micafs, built: only the two builds are compared, old and new in turn
  --check                exit code 1 when a row is above its target (with --against: when new is over 1.10 times old)
  --json                 one JSON document on stdout instead of the table
  --dir DIR              where folders and stores are made (the system's temporary folder)
`;

function fail(code, text) {
  process.stderr.write(`bench: ${text}\n`);
  process.exit(code);
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: 'string', default: '3' },
        'fuse-overlayfs': { type: 'string', default: 'fuse-overlayfs' },
        against: { type: 'string' },
        check: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        dir: { type: 'string', default: tmpdir() },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    return fail(2, `${error.message}\n${USAGE}`);
  }
}

const { values: options, positionals: words } = readArguments();
if (options.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const rounds = Number(options.rounds);
if (!Number.isInteger(rounds) || rounds < 1) fail(2, `--rounds ${options.rounds} is not a number of rounds`);
if (process.geteuid() !== 0) fail(6, 'only root may drop caches and mount the kernel overlayfs');
const chosen = WORKLOADS.filter((w) => words.length === 0 || words.some((word) => w.name.includes(word)));
if (chosen.length === 0) {
  fail(2, `no workload is called ${words.join(', ')}; there are: ${WORKLOADS.map((w) => w.name).join(', ')}`);
}

const base = mkdtempSync(join(options.dir, 'mica-bench-'));
const fixtures = new Fixtures(base);
const everybody = contenders(fixtures, options);
const rows = [];
let wrong = 0;

/** One turn of one contender; undefined, and a line on stderr, where the result was wrong or there was none. */
function turn(workload, contender) {
  try {
    return contender.withMount(workload.fixture, (place) => workload.run({ ...place, fixtures }));
  } catch (error) {
    wrong++;
    process.stderr.write(`bench: ${workload.name}: ${contender.name}: ${error.message}\n`);
    return undefined;
  }
}

try {
  if (!options.json) process.stdout.write(header(everybody));
  for (const workload of chosen) {
    const here = everybody.filter(({ kind }) => !(workload.not ?? []).includes(kind));
    const seen = new Map(here.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      // Each round begins with another contender, so that none always finds the machine as the same one left it.
      for (let n = 0; n < here.length; n++) {
        const contender = here[(n + round) % here.length];
        const value = turn(workload, contender);
        if (value !== undefined) seen.get(contender.name).push(value);
      }
    }
    const done = row(workload, seen, options.against !== undefined);
    rows.push(done);
    if (!options.json) process.stdout.write(line(done, everybody));
  }
} finally {
  fixtures.remove();
  rmSync(base, { recursive: true, force: true });
}
if (options.json) process.stdout.write(`${JSON.stringify({ rounds, rows }, undefined, 2)}\n`);
if (wrong > 0) process.stderr.write(`bench: ${wrong} results were wrong or missing\n`);
const missed = options.check ? failures(rows) : [];
for (const text of missed) process.stderr.write(`bench: ${text}\n`);
process.exitCode = wrong === 0 && missed.length === 0 ? 0 : 1;
