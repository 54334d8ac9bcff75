// What is generated of the protos is in the repository, and nothing but what bin/generate.mjs makes of them now.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const TOP = fileURLToPath(new URL('../../../', import.meta.url));

function filesIn(folder: string): ReadonlyMap<string, string> {
  const names = (readdirSync(folder, { recursive: true }) as string[]).sort();
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  return new Map(files.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

test('src/containerd/gen is what the protos say', { timeout: 120_000 }, () => {
  const fresh = mkdtempSync(join(tmpdir(), 'mica-gen-'));
  try {
    const words = [join(TOP, 'bin/generate.mjs'), '--to', fresh];
    const { status, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
    const [made, kept] = [filesIn(fresh), filesIn(join(TOP, 'src/containerd/gen'))];
    expect([...kept.keys()]).toEqual([...made.keys()]);
    expect([...kept].filter(([name, text]) => made.get(name) !== text).map(([name]) => name)).toEqual([]);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
});
