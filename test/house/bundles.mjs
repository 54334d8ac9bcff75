// Each part of the program starts from its bundle: it is there, newer than its modules, and its compiled form is one
// that this Node takes.
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { bundlePath, compile, compiledPath, isFresh } = createRequire(import.meta.url)('../../bin/start.cjs');

function problemOf(part) {
  const path = bundlePath(part);
  if (!isFresh(path)) return 'there is no bundle, or one that is older than its modules';
  const script = compile(path, readFileSync(compiledPath(path)));
  return script.cachedDataRejected === false ? undefined : 'its compiled form is refused';
}

const parts = readdirSync('bin').flatMap((name) => {
  const [, part] = /\.start\('([^']+)'/.exec(readFileSync(join('bin', name), 'latin1')) ?? [];
  return part === undefined ? [] : [part];
});
const problems = parts.flatMap((part) => {
  const problem = problemOf(part);
  return problem === undefined ? [] : [`${part}: ${problem}`];
});
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.stdout.write(`${parts.length} parts, ${problems.length} problems\n`);
process.exit(problems.length === 0 && parts.length >= 5 ? 0 : 1);
