// Runs the boundary rules of .dependency-cruiser.cjs, and proves that they were applied: every source file that
// git lists must have been seen, and a file that breaks a rule on purpose must be reported.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';

const CRUISER = 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs';

function cruise(folders) {
  const done = spawnSync(
    process.execPath,
    [CRUISER, '--config', '.dependency-cruiser.cjs', '--output-type', 'json', ...folders],
    {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    },
  );
  if (!done.stdout.startsWith('{'))
    throw new Error(`dependency-cruiser printed no report: ${done.stderr.slice(0, 500)}`);
  return JSON.parse(done.stdout);
}

const listed = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', 'fs', 'src', 'native-fallback'],
  {
    encoding: 'utf8',
  },
)
  .split('\n')
  .filter((name) => name.endsWith('.ts'));
const report = cruise(['fs', 'src', 'native-fallback']);
const seen = new Set(report.modules.map((module) => module.source));
const missed = listed.filter((name) => !seen.has(name));
const problems = report.summary.violations
  .filter((violation) => violation.rule.severity === 'error')
  .map((violation) => `${violation.from} -> ${violation.to}: ${violation.rule.name}`);
for (const name of missed) problems.push(`${name}: git lists it, the check did not see it`);

const bait = 'fs/union/boundary-bait';
try {
  mkdirSync(bait, { recursive: true });
  writeFileSync(
    `${bait}/bait.ts`,
    "import { StoreError } from '../../../src/errors.js';\nexport const broken = StoreError;\n",
  );
  const caught = cruise([bait]).summary.violations.some(
    (violation) => violation.rule.name === 'fs-stands-alone',
  );
  if (!caught) problems.push('a file in fs/ that imports src/ was not reported: the check is blind');
} finally {
  rmSync(bait, { recursive: true, force: true });
}

for (const problem of problems) process.stderr.write(`${problem}\n`);
process.stdout.write(
  `${seen.size} modules seen, ${listed.length} files listed, ${problems.length} problems\n`,
);
process.exit(problems.length === 0 ? 0 : 1);
