// `npm run bench [-- WORD...]`: our time beside kernel overlayfs and fuse-overlayfs, all in one run over the same
// layers, in turn, as medians and ratios. The result of every workload is checked; a wrong or missing one ends the
// run with exit code 1. Needs root.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { contenders, takesPart } from './contenders.mjs';
import { Fixtures, sizesOf } from './fixture.mjs';
import { dropCaches, readAll } from './measure.mjs';
import { plot } from './plot.mjs';
import { failures, header, line, rowsOf, wrongBounds } from './table.mjs';
import { chosenBy, comparedGroups, heldNames, WORKLOADS } from './workloads.mjs';

const USAGE = `usage: npm run bench -- [WORD...] [options]

Words choose workloads by a part of their name; without words all run but the two series:
  depth                  a cold walk against the number of layers that the same files lie in, 1 to 200
  scale                  a cold walk, and memory of the server, against the number of files, up to a million
and, asked for alone:
  many                   1, 10 and 50 mounts of one image, by a process each and by a shared one: time from \`mica mount\` to
                         a live mount, MB (10^6 bytes) when all are there and when all were used, p99 of stat in ms alone
                         and while another mount is busy, how many are dead when one server is killed, and when the
                         heap of one mount's thread is full; with --check at most 600 MB for 50 in one host
  handing-out            a container under containerd by how its snapshot is handed out, bind or program, beside containerd's
                         overlayfs: ms of \`ctr run --rm\`, MB of servers a container, how many of ten are dead when one
                         server is killed, how many mounts are left when all were removed
  engines [import] [build]  \`ctr images import\` with our snapshotter and with overlayfs, and a \`podman build\` that installs 70
                         packages with mica-overlayfs and with fuse-overlayfs, in turn: seconds of --rounds turns
Among the others are \`latency\` (stat during a copy-up and an fsync of 2 GiB), \`walk\`, \`untar\`, \`GiB\`, \`mount\`,
\`store\` (10,000 snapshots and 100,000 blobs), \`import\` (of the image that the tests make, which takes minutes the first time).

Contenders: micafs (plain folders), store and view (\`mica mount\` on a store, writable and --read-only),
mica-overlayfs, driver (\`--driver overlay --read-only\`), kernel, fuse-overlayfs, for \`import\` containerd and umoci, and
as an ordinary user, through fusermount3, user:micafs, user:store, user:fuse-overlayfs. resident and own are memory of
the server: all, and not shared.

  --rounds N             times that each contender has its turn (3)
  --contenders A,B       only these
  --fuse-overlayfs PATH  the fuse-overlayfs to compare with
  --user NAME            the ordinary user (nobody); - for none
  --against DIR          another checkout of micafs, built: only the two builds are compared, old and new in turn
  --check                exit code 1 when a row is above its target or was not measured (with --against: when new is
                         over 1.10 times old); a row in test/bench/bounds.json is held to its bound there. Only those
                         are measured whom a target names, unless --contenders names others
  --json                 one JSON document on stdout instead of the table
  --from FILE            show, check and draw what an earlier --json said, and measure nothing; may be repeated
  --plot FILE            draw the rows as an SVG
  --size PART            a part of all sizes (1), to try the bench itself; not with --check
  --dir DIR              where folders and stores are made (the system's temporary folder)
`;
const bounds = JSON.parse(readFileSync(new URL('bounds.json', import.meta.url), 'utf8'));

function fail(code, text) {
  process.stderr.write(`bench: ${text}\n`);
  process.exit(code);
}

const note = (text) => process.stderr.write(`bench: ${text}\n`);

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: 'string', default: '3' },
        contenders: { type: 'string' },
        'fuse-overlayfs': { type: 'string', default: 'fuse-overlayfs' },
        user: { type: 'string', default: 'nobody' },
        against: { type: 'string' },
        check: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        from: { type: 'string', multiple: true },
        plot: { type: 'string' },
        size: { type: 'string', default: '1' },
        dir: { type: 'string', default: tmpdir() },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    return fail(2, `${error.message}\n${USAGE}`);
  }
}

/** What a program prints, or undefined if it cannot be run. */
function said(command, ...args) {
  const done = spawnSync(command, args, { encoding: 'utf8' });
  return done.status === 0 ? done.stdout.trim() : undefined;
}

function userOf(name) {
  if (name === '-') return undefined;
  const [uid, gid] = [said('id', '-u', name), said('id', '-g', name)].map(Number);
  if (!(uid > 0)) return fail(2, `--user ${name} is no ordinary user of this machine`);
  return { uid, gid };
}

/** The name of a contender that tells its version, and the machine. */
function machine(fuseOverlayfs) {
  const version =
    fuseOverlayfs && said(fuseOverlayfs, '--version')?.match(/fuse-overlayfs:? version (\S+)/)?.[1];
  return {
    kernel: `Linux ${release()}`,
    node: process.version,
    cpus: Number(said('nproc')),
    fuseOverlayfs: fuseOverlayfs === undefined ? null : (version ?? 'unknown'),
  };
}

const about = ({ kernel, node, cpus, fuseOverlayfs }) =>
  `${kernel}, Node ${node.slice(1)}, ${cpus} CPUs; fuse-overlayfs ${fuseOverlayfs ?? 'not found'}`;

const { values: options, positionals: words } = readArguments();
if (options.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
if (words.length === 1 && words[0] === 'many') process.exit(await measuredMany());
if (words.length === 1 && words[0] === 'handing-out') process.exit(await measuredHandingOut());
if (words[0] === 'engines') process.exit(await measuredEngines(words.slice(1)));
for (const text of wrongBounds(bounds, WORKLOADS)) fail(1, text);
const document = options.from === undefined ? await measured() : earlier(options.from);
if (options.json) process.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
if (options.plot !== undefined) writeFileSync(options.plot, plot(document.rows, about(document.machine)));
if (document.wrong > 0) note(`${document.wrong} results were wrong or missing`);
const missed = options.check ? failures(document.rows, bounds) : [];
missed.forEach(note);
process.exitCode = document.wrong === 0 && missed.length === 0 ? 0 : 1;

function earlier(files) {
  const documents = files.map((file) => JSON.parse(readFileSync(file, 'utf8')));
  const rows = documents.flatMap((one) => one.rows);
  const names = [...new Set(rows.flatMap(({ medians }) => Object.keys(medians)))].map((name) => ({ name }));
  if (!options.json) {
    process.stdout.write(header(names) + rows.map((row) => line(row, names, bounds)).join(''));
  }
  return { ...documents[0], rows, wrong: documents.reduce((sum, one) => sum + one.wrong, 0) };
}

async function measuredMany() {
  const { many, manyFailures, manyHeader, manyLine } = await import('./many.mjs');
  assertRoot();
  const say = (text) => options.json || process.stdout.write(text);
  say(manyHeader());
  const rows = await many(options.dir, (row) => say(manyLine(row)));
  return ended(rows, manyFailures(rows));
}

async function measuredHandingOut() {
  const { handingFailures, handingHeader, handingLine, handingOut } = await import('./handing-out.mjs');
  assertRoot();
  const rows = await handingOut(options.dir, Number(options.rounds));
  if (!options.json) process.stdout.write(handingHeader() + rows.map(handingLine).join(''));
  return ended(rows, handingFailures(rows));
}

async function measuredEngines(names) {
  const { engineFailures, engines, isEngineWork } = await import('./engines.mjs');
  const unknown = names.filter((name) => !isEngineWork(name));
  if (unknown.length > 0) fail(2, `engines are not measured at ${unknown.join(', ')}`);
  assertRoot();
  const rounds = roundsAsked();
  const say = (text) => options.json || process.stdout.write(`${text}\n`);
  const rows = await engines(options.dir, names, rounds, say);
  return ended(rows, engineFailures(rows));
}

/** The exit code. */
function ended(rows, above) {
  if (options.json) process.stdout.write(`${JSON.stringify({ rows }, undefined, 2)}\n`);
  if (!options.check) return 0;
  above.forEach(note);
  return above.length === 0 ? 0 : 1;
}

function assertRoot() {
  if (process.geteuid() !== 0) fail(6, 'only root may drop caches and mount the kernel overlayfs');
}

function roundsAsked() {
  const rounds = Number(options.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    fail(2, `--rounds ${options.rounds} is not a number of rounds`);
  return rounds;
}

async function measured() {
  const rounds = roundsAsked();
  const size = Number(options.size);
  if (!(size > 0 && size <= 1)) fail(2, `--size ${options.size} is no part of 1`);
  if (options.check && size !== 1) fail(2, 'the targets of --check are for full sizes');
  assertRoot();
  const chosen = chosenBy(words);
  if (chosen.length === 0) {
    fail(
      2,
      `no workload is called ${words.join(', ')}; there are: ${WORKLOADS.map((w) => w.name).join(', ')}`,
    );
  }
  const fuseOverlayfs = said('sh', '-c', 'command -v "$1"', 'sh', options['fuse-overlayfs']);
  const base = mkdtempSync(join(options.dir, 'mica-bench-'));
  const fixtures = new Fixtures(base, sizesOf(size));
  try {
    const user = userOf(options.user);
    const all = contenders(fixtures, { against: options.against, fuseOverlayfs, user }, note);
    const asked = options.contenders?.split(',');
    const unknown = asked?.filter((name) => !all.some((one) => one.name === name)) ?? [];
    if (unknown.length > 0) {
      throw new Error(
        `no contender ${unknown.join(', ')}; there are: ${all.map(({ name }) => name).join(', ')}`,
      );
    }
    const everybody = all.filter(
      (one) =>
        (asked === undefined || asked.includes(one.name)) &&
        chosen.some((workload) => takesPart(one, workload)),
    );
    const here = machine(fuseOverlayfs);
    if (!options.json) process.stdout.write(`${about(here)}\n${header(everybody)}`);
    const rows = [];
    let wrong = 0;
    for (const group of comparedGroups(chosen)) {
      const { seen, failed } = await turns(group, everybody, rounds);
      wrong += failed;
      for (const workload of group) {
        const done = rowsOf(workload, seen.get(workload), rows, options.against !== undefined);
        rows.push(...done);
        if (!options.json) for (const row of done) process.stdout.write(line(row, everybody, bounds));
      }
    }
    return { machine: here, rounds, size, wrong, rows };
  } finally {
    fixtures.remove();
    rmSync(base, { recursive: true, force: true });
  }
}

/**
 * All turns of workloads that are compared with each other, by workload and name of a contender. What went wrong is a
 * line on stderr and counts as failed.
 */
async function turns(group, everybody, rounds) {
  // A check measures nobody whom it does not hold to anything.
  const onlyHeld = options.check && options.contenders === undefined && options.against === undefined;
  const parts = group.map((workload) => {
    const held = onlyHeld ? heldNames(workload, group) : undefined;
    const here = everybody.filter(
      (one) => takesPart(one, workload) && (held === undefined || held.has(one.name)),
    );
    return { workload, here };
  });
  const seen = new Map(
    parts.map(({ workload, here }) => [workload, new Map(here.map(({ name }) => [name, []]))]),
  );
  let failed = 0;
  for (let round = 0; round < rounds; round++) {
    // Each round begins with another contender, so that none always finds the machine as the same one left it.
    const order = everybody.map((_, n) => everybody[(n + round) % everybody.length]);
    for (const contender of order) {
      for (const { workload } of parts.filter(({ here }) => here.includes(contender))) {
        try {
          seen
            .get(workload)
            .get(contender.name)
            .push(await turn(workload, contender));
        } catch (error) {
          failed++;
          note(`${workload.name}: ${contender.name}: ${error.message}`);
        }
      }
    }
  }
  return { seen, failed };
}

/** One turn of one contender, on a mount of its own unless the workload has no fixture. */
function turn(workload, contender) {
  if (workload.fixture === undefined) return workload.run({ mica: contender.mica, contender });
  return contender.withMount(workload, (lowers) => {
    if (workload.caches === 'read') readAll(lowers);
    else if (workload.caches !== undefined) dropCaches(workload.caches);
  });
}
