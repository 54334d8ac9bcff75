// Dependencies are pinned exactly, and the lock file names no host, so that any registry serves it.
import { readFileSync } from 'node:fs';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const problems = [];
for (const group of ['dependencies', 'optionalDependencies', 'devDependencies']) {
  for (const [name, version] of Object.entries(manifest[group] ?? {})) {
    if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
      problems.push(`${name}: ${version} is not an exact version`);
  }
}
for (const [path, entry] of Object.entries(lock.packages)) {
  if (entry.resolved !== undefined) problems.push(`${path}: the lock file names where it was fetched`);
  // Builds for other platforms, which not every registry carries, are pinned by version alone.
  const elsewhere =
    entry.optional && entry.os !== undefined && !(entry.os.includes('linux') && entry.cpu.includes('x64'));
  const musl = entry.libc?.includes('musl');
  if (path !== '' && entry.integrity === undefined && !elsewhere && !musl)
    problems.push(`${path}: no integrity`);
}
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.stdout.write(`${Object.keys(lock.packages).length - 1} packages pinned\n`);
process.exit(problems.length === 0 ? 0 : 1);
