#!/usr/bin/env node
// The commands behind `npm start`, `npm test` and their like. It runs in a bare clone, so it imports nothing but
// Node: it installs the dependencies when the lock file changed, builds, and goes on with what was asked for.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(top);
const reports = join(top, '.cache', 'test');

/** The parts of `npm test`, in order; each but `check` and `without` is a project of vitest.config.ts. */
const PARTS = [
  'check',
  'unit',
  'mount',
  'without',
  'image',
  'registry',
  'engines',
  'browser',
  'demo',
  'crash',
  'mutants',
];

/**
 * What the part `without` runs again with every optional kernel feature off: the union over FUSE as root and as a
 * user, against a plain folder, the main rules of POSIX, and the kernel's overlay with few and with 128 layers.
 * MICA_TEST_LONG=1 runs all files of `mount`.
 */
const WITHOUT_FILES = [
  ...['history', 'kernel-overlay', 'transport', 'transport-user', 'union-kernel', 'user'],
  ...['data', 'hard-links', 'huge-folder', 'identity', 'names-and-whiteouts'].map((name) => `posix/${name}`),
];

/** What the long run tries with each of them off. */
const EACH_WITHOUT_FILES = [
  ...['data', 'hard-links', 'huge-folder', 'identity', 'kinds-and-locks', 'metadata'].map(
    (name) => `posix/${name}`,
  ),
  ...['names-and-whiteouts', 'open-and-unlinked', 'full-upper'].map((name) => `posix/${name}`),
  ...['history', 'union-kernel'],
];

function run(command, args, options = {}) {
  const done = spawnSync(command, args, { stdio: 'inherit', ...options });
  if (done.error) {
    process.stderr.write(`cannot run ${command}: ${done.error.message}\n`);
    return 127;
  }
  return done.status ?? 128;
}

function must(what, status) {
  if (status === 0) return;
  process.stderr.write(`${what} failed (exit ${status})\n`);
  process.exit(status);
}

/** node_modules as the lock file says; the stamp inside names the lock file that was installed. */
function install() {
  const wanted = createHash('sha256').update(readFileSync('package-lock.json')).digest('hex');
  const stamp = join('node_modules', '.mica-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  const npm = process.env.npm_execpath;
  const words = ['ci', '--include=dev', '--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error'];
  // npm writes to stdout; results of the command that follows belong there alone.
  const options = { stdio: ['ignore', process.stderr, 'inherit'] };
  must(
    'npm ci',
    npm?.endsWith('.js') ? run(process.execPath, [npm, ...words], options) : run('npm', words, options),
  );
  writeFileSync(stamp, wanted);
}

function build() {
  install();
  must('the build', run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.']));
  must('the bundling', run(process.execPath, ['bin/bundle.mjs']));
  must('the page', run(process.execPath, ['bin/lab.mjs']));
}

/** What can be checked without running the program; counts one for each check. */
function check() {
  const node = process.execPath;
  const checks = {
    'lint and format': [node, ['node_modules/@biomejs/biome/bin/biome', 'check', '.']],
    'types of the tests': [node, ['node_modules/typescript/bin/tsc', '-p', 'test']],
    'types of the page': [node, ['node_modules/typescript/bin/tsc', '-p', 'src/web']],
    'types of its tests': [node, ['node_modules/typescript/bin/tsc', '-p', 'test/browser']],
    boundaries: [node, ['test/house/boundaries.mjs']],
    'union in a browser': [node, ['test/house/browser-bundle.mjs']],
    'loads on macOS': [node, ['test/house/loads-elsewhere.mjs']],
    'lock file': [node, ['test/house/lock-file.mjs']],
    bundles: [node, ['test/house/bundles.mjs']],
    'dead code': [node, ['node_modules/knip/bin/knip.js']],
  };
  const counts = { passed: 0, failed: 0, skipped: 0, failures: [] };
  for (const [name, [command, args]] of Object.entries(checks)) {
    const ok = run(command, args) === 0;
    process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${name}\n`);
    counts[ok ? 'passed' : 'failed']++;
    if (!ok) counts.failures.push(`check: ${name}`);
  }
  return counts;
}

/** Runs a project of vitest as one part, and reads what it counted; a run that left no report counts as a failure. */
function vitest(part, extra = [], project = part, environment = {}) {
  const report = join(reports, `${part}.json`);
  rmSync(report, { force: true });
  const words = ['run', '--project', project, '--passWithNoTests', '--reporter=default', '--reporter=json'];
  const status = run(
    process.execPath,
    ['node_modules/vitest/vitest.mjs', ...words, `--outputFile=${report}`, ...extra],
    { env: { ...process.env, ...environment } },
  );
  if (!existsSync(report)) {
    return { passed: 0, failed: 1, skipped: 0, failures: [`${part}: it left no report (exit ${status})`] };
  }
  const seen = JSON.parse(readFileSync(report, 'utf8'));
  const failures = seen.testResults.flatMap((file) => failuresOf(part, file));
  if (failures.length === 0 && status !== 0) failures.push(`${part}: exit ${status} without a failed test`);
  return {
    passed: seen.numPassedTests,
    failed: failures.length,
    skipped: seen.numPendingTests + (seen.numTodoTests ?? 0),
    failures,
  };
}

/** A line for each test of a file of vitest's report that failed, or one for a file that could not even be read. */
function failuresOf(part, { name, status, message, assertionResults }) {
  const said = (text) => (text ?? '').split('\n')[0].slice(0, 200);
  const file = `${part}: ${relative(top, name)}`;
  if (status === 'failed' && assertionResults.length === 0) return [`${file}: ${said(message)}`];
  return assertionResults
    .filter((test) => test.status === 'failed')
    .map(({ fullName, failureMessages }) => `${file}: ${fullName}: ${said(failureMessages[0])}`);
}

const nothing = () => ({ passed: 0, failed: 0, skipped: 0, failures: [] });

function addTo(total, counts) {
  for (const key of ['passed', 'failed', 'skipped']) total[key] += counts[key];
  total.failures.push(...counts.failures);
}

/** Each optional kernel feature off by itself, under the rules of POSIX; the names are those of `mica doctor`. */
async function eachWithout() {
  const { featureNames } = await import(join(top, 'dist/native-fallback/features.js'));
  const total = nothing();
  for (const feature of featureNames()) {
    process.stdout.write(`\n== without ${feature}\n`);
    const files = EACH_WITHOUT_FILES.map((name) => `test/mount/${name}.test.ts`);
    const counts = vitest(`without-${feature}`, files, 'mount', { MICA_WITHOUT: feature });
    addTo(total, counts);
  }
  return total;
}

function without(extra) {
  const files = WITHOUT_FILES.map((name) => `test/mount/${name}.test.ts`);
  const asked = extra.length > 0 || process.env.MICA_TEST_LONG === '1' ? extra : files;
  return vitest('without', asked, 'mount', { MICA_WITHOUT: 'all' });
}

/** Mutants of test/mutants: `all`, those of some behaviours (`20,23`), or one turn of ten (`turn:3`). */
function mutants(asked, extra = []) {
  process.stdout.write(`MICA_MUTANTS=${asked} tries these again\n`);
  return vitest('mutants', extra, 'mutants', { MICA_MUTANTS: asked });
}

/** A turn that changes with the commit that is checked out, and with nothing else. */
function turnOfCommit() {
  const { stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' });
  return `turn:${Number.parseInt(stdout?.slice(0, 8) || '0', 16)}`;
}

async function countsOf(part, extra) {
  if (part === 'each-without') return eachWithout();
  if (part === 'check') return check();
  if (part === 'mutants') return mutants(process.env.MICA_MUTANTS || turnOfCommit(), extra);
  return part === 'without' ? without(extra) : vitest(part, extra);
}

async function test(parts, extra) {
  build();
  mkdirSync(reports, { recursive: true });
  const total = nothing();
  const lines = [];
  for (const part of parts) {
    process.stdout.write(`\n== ${part}\n`);
    const start = Date.now();
    const counts = await countsOf(part, extra);
    const seconds = ((Date.now() - start) / 1000).toFixed(1);
    lines.push(
      `${part.padEnd(12)} ${seconds.padStart(7)} s  ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`,
    );
    addTo(total, counts);
  }
  writeFileSync(join(reports, 'total.json'), JSON.stringify(total));
  process.stdout.write(
    `\n${[...lines, ...total.failures.map((text) => `FAILED ${text}`)].join('\n')}\n\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`,
  );
  process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
}

const [verb, ...rest] = process.argv.slice(2);
switch (verb) {
  case 'build':
    build();
    break;
  case 'build:lab':
    install();
    must('the page', run(process.execPath, ['bin/lab.mjs']));
    break;
  case 'check': {
    build();
    process.exit(check().failed === 0 ? 0 : 1);
    break;
  }
  case 'test':
    await test(PARTS, rest);
    break;
  case 'test:long':
    await test(rest.length > 0 ? ['long'] : ['long', 'each-without'], rest);
    break;
  case 'mutants':
    build();
    mkdirSync(reports, { recursive: true });
    process.exit(mutants(rest.join(',') || 'all').failed === 0 ? 0 : 1);
    break;
  case 'demo':
    build();
    process.exit(run(process.execPath, ['bin/mica', 'demo', ...rest]));
    break;
  case 'bench':
    build();
    process.exit(run(process.execPath, ['test/bench/bench.mjs', ...rest]));
    break;
  default:
    process.stderr.write('usage: dev.mjs build|build:lab|check|test|test:long|mutants|demo|bench\n');
    process.exit(2);
}
