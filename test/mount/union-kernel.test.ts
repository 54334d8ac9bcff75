// What our union writes into layer folders, the kernel's overlayfs shows as the same tree, and what overlayfs
// writes, our union shows. No mount of ours is involved: the union works in this process.

import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { openLowerDir } from '../../fs/layer/dir-layer.js';
import { openUpperDir } from '../../fs/layer/dir-upper.js';
import type { MarkPrefix } from '../../fs/layer/layer.js';
import { fromText } from '../../fs/name.js';
import { Union } from '../../fs/union/union.js';
import { line, type Model } from '../fs/union/model.js';
import { apply, LOWEST, lowestModel, operation } from '../fs/union/operations.js';
import { fillLayer } from '../fs/union/stacks.js';
import { describeWith } from '../requires.js';
import { runs } from '../runs.js';
import { Paths } from '../suites/paths.js';

const RUNS = runs(20);

function withFolders<T>(act: (base: string) => T): T {
  const base = mkdtempSync(join(tmpdir(), 'mica-union-kernel-'));
  try {
    return act(base);
  } finally {
    execFileSync('rm', ['-rf', base]);
  }
}

function makeLower(base: string, marks: MarkPrefix): void {
  for (const name of ['lower', 'lower-work', 'upper', 'work', 'merged']) mkdirSync(join(base, name));
  const lower = openUpperDir(fromText(join(base, 'lower')), fromText(join(base, 'lower-work')), { marks });
  fillLayer(lower, LOWEST);
  lower.close();
}

function withUnion<T>(base: string, marks: MarkPrefix, act: (union: Union) => T): T {
  const at = (name: string) => fromText(join(base, name));
  const union = new Union({
    lowers: [openLowerDir(at('lower'), { marks: [marks] })],
    upper: openUpperDir(at('upper'), at('work'), { marks, lockWaitMs: 0 }),
  });
  try {
    return act(union);
  } finally {
    union.destroy();
  }
}

function withKernel<T>(base: string, options: string, act: (merged: string) => T): T {
  const dirs = `lowerdir=${base}/lower,upperdir=${base}/upper,workdir=${base}/work`;
  const merged = join(base, 'merged');
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', `${dirs},${options}`, merged], {
    stdio: 'ignore',
  });
  try {
    return act(merged);
  } finally {
    execFileSync('umount', [merged]);
  }
}

/** By counting: the kernel shows 1 for merged folders. */
function linksOf(folder: string): number {
  return 2 + readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory()).length;
}

function treeOfFolder(folder: string, prefix = ''): string[] {
  return readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const path = join(folder, name);
      const stat = lstatSync(path);
      const at = `${prefix}${name}`;
      if (stat.isDirectory()) return [line(at, stat.mode, linksOf(path)), ...treeOfFolder(path, `${at}/`)];
      return [line(at, stat.mode, stat.nlink, readFileSync(path, 'utf8'))];
    });
}

function treeOfUnion(paths: Paths, prefix = ''): string[] {
  return paths.ls(prefix).flatMap((name) => {
    const at = prefix === '' ? name : `${prefix}/${name}`;
    const attr = paths.stat(at);
    if (attr.mode >>> 12 === 4) return [line(at, attr.mode, attr.nlink), ...treeOfUnion(paths, at)];
    return [line(at, attr.mode, attr.nlink, paths.read(at))];
  });
}

const KERNELS = [
  ['trusted', 'index=off'],
  ['trusted', 'index=on,redirect_dir=on'],
  ['user', 'index=off,userxattr'],
] as const;

describeWith(['root', 'overlay'], 'folders written by the union', () => {
  for (const [marks, options] of KERNELS) {
    it(`are the same tree for the kernel once settled, and for us after the kernel wrote (${marks}, ${options})`, () => {
      fc.assert(
        fc.property(fc.array(operation, { minLength: 4, maxLength: 25 }), (steps) =>
          withFolders((base) => {
            makeLower(base, marks);
            const model: Model = lowestModel();
            withUnion(base, marks, (union) => {
              const paths = new Paths(union);
              for (const step of steps) apply(paths, model, step);
              expect(treeOfUnion(paths)).toEqual(model.tree());
              union.settle();
            });
            const shown = withKernel(base, options, (merged) => {
              expect(treeOfFolder(merged)).toEqual(model.tree());
              const script = 'rm -rf a; mkdir a; echo k > a/k; rm -rf b; mkdir b; mv c d; true';
              execFileSync('sh', ['-c', script], { cwd: merged, stdio: 'ignore' });
              return treeOfFolder(merged);
            });
            withUnion(base, marks, (union) => {
              expect(treeOfUnion(new Paths(union))).toEqual(shown);
            });
          }),
        ),
        { numRuns: RUNS },
      );
    });
  }

  it('are refused by the kernel while they are not settled', () =>
    withFolders((base) => {
      makeLower(base, 'trusted');
      withUnion(base, 'trusted', (union) => new Paths(union).writeAt('a/b', 0, 'new'));
      expect(() => withKernel(base, 'index=off', () => undefined)).toThrow();
      withUnion(base, 'trusted', (union) => union.settle());
      withKernel(base, 'index=off', (merged) => {
        expect(readFileSync(join(merged, 'a/a/c'), 'utf8')).toBe('new');
      });
    }));
});
