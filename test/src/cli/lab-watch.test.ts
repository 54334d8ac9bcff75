// What is written to an upper without its server is noticed by bytes, however deep it lies, and through no symlink.

import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fromText } from '../../../fs/index.js';
import { UpperWatch } from '../../../src/cli/lab/upper-watch.js';
import { removeTree } from '../../../src/snapshots/folders.js';

let top: string;
let upper: string;
let watch: UpperWatch;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'mica-lab-watch-'));
  upper = join(top, 'upper');
  mkdirSync(upper);
  watch = new UpperWatch();
});
afterEach(() => {
  process.chdir(tmpdir());
  removeTree(top);
});

const below = (...names: string[]): Buffer => Buffer.from([upper, ...names].join('/'), 'latin1');
/** It looks now and then alone. */
const isNoticed = () => expect.poll(() => watch.hasChanged(), { timeout: 10_000 }).toBe(true);

it.each([['f'], ['é'], ['日本'], ['\xff']])('what is written to %j is seen', async (name) => {
  const bytes = name === '\xff' ? name : fromText(name);
  mkdirSync(below(bytes));
  writeFileSync(below(bytes, 'f'), 'text');
  watch.take(upper, ['', bytes, `${bytes}/f`]);
  expect(watch.hasChanged()).toBe(false);
  appendFileSync(below(bytes, 'f'), ' and more');
  await isNoticed();
});

it('what is new in the folder that is shown is seen', async () => {
  watch.take(upper, ['']);
  writeFileSync(join(upper, 'f'), 'text');
  await isNoticed();
});

it('who has to know at once does not wait for the next look', () => {
  watch.take(upper, ['']);
  expect(watch.hasChanged(true)).toBe(false);
  writeFileSync(join(upper, 'f'), 'text');
  expect(watch.hasChanged(true)).toBe(true);
});

it('what is deeper than a path may be long is looked at as everything else', async () => {
  const name = 'n'.repeat(250);
  const paths = Array.from({ length: 20 }, (_, n) =>
    Array(n + 1)
      .fill(name)
      .join('/'),
  );
  process.chdir(upper);
  for (const _ of paths) {
    mkdirSync(name);
    process.chdir(name);
  }
  watch.take(upper, paths);
  expect(watch.hasChanged()).toBe(false);
  writeFileSync('f', 'text');
  await isNoticed();
});

it('a folder that became a symlink is gone', async () => {
  mkdirSync(join(upper, 'd'));
  writeFileSync(join(upper, 'd/f'), 'text');
  watch.take(upper, ['d/f']);
  rmSync(join(upper, 'd'), { recursive: true });
  symlinkSync('d', join(upper, 'd'));
  await isNoticed();
});
