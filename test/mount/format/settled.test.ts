// Uppers that are not plain: the kernel refuses them, our next mount shows them as they were, and once they are
// settled the kernel shows the same tree, with and without its index. A process that is killed while it settles
// leaves either the guard or a plain upper, whatever change it was about to make.

import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { arm, bury, disarm, Killed } from '../../faults/libc.js';
import { Places, prepared, shown, type Upper } from '../../faults/places.js';
import { describeWith } from '../../requires.js';
import type { Paths } from '../../suites/paths.js';
import { expectSame, Layers, type Ours, type Script } from './readers.js';

let layers: Layers | undefined;
afterEach(() => {
  layers?.remove();
  layers = undefined;
});

interface State extends Ours {
  readonly name: string;
  readonly script: Script;
}

const STATES: readonly State[] = [
  {
    name: 'files of metadata alone',
    script: ['chmod 600 big sparse; chown -R 5:6 merged; mv big links; setfattr -n user.x links/p'],
  },
  {
    name: 'files of metadata alone under user.',
    marks: 'user',
    script: ['chmod 600 big sparse; mv big links; mv links else'],
  },
  {
    name: 'hard links joined by the index',
    script: ['chmod 600 links/one; echo more >> links/p; rm links/t'],
  },
  {
    name: 'folders moved under user.',
    marks: 'user',
    script: ['mv moved else; mv merged/sub plain; rm else/x'],
  },
  { name: 'all of it under user.', marks: 'user', script: ['changes.sh', '1'] },
  { name: 'all of it', script: ['changes.sh', '1'] },
];

/** Under user. no count can be stored on a FIFO or symlink: it is known again once a name that a lower has was met. */
function exceptUnstoredLinks(line: string): string {
  return /^1[02]/.test(line) ? line.replace(/ links=\d+/, '') : line;
}

describeWith(['overlay', 'fuse'], 'an upper that is not plain', () => {
  for (const { name, script, ...how } of STATES) {
    it(`is refused by the kernel, kept by ours, and plain once settled: ${name}`, async () => {
      layers = await Layers.make('root', 'low', 'mid');
      layers.run('low', ['lower.sh']);
      const one = { lowers: ['low'], upper: 'mid' };
      const kernels = how.marks === 'user' ? ['userxattr'] : ['index=off', 'index=on', 'redirect_dir=on'];
      const left = await layers.ours(one, how, script);
      for (const options of kernels)
        expect(() => layers?.kernel(one, options)).toThrow(/mount.* ended with 32/);
      const again = await layers.ours(one, { ...how, settle: true });
      expectSame(again, left, how.marks === 'user' ? exceptUnstoredLinks : undefined);
      for (const options of kernels) expectSame(layers.kernel(one, options), left);
      expectSame(await layers.ours(one, how), left);
    });
  }
});

/** What the kernel shows of the layers of `test/faults`; undefined if it refuses them. */
function kernelShows(places: Places, upper: Upper, options: string): string[] | undefined {
  const merged = join(places.base, 'merged');
  mkdirSync(merged, { recursive: true });
  const at = (name: string) => join(places.base, name);
  const dirs = `lowerdir=${at('top')}:${at('low')},upperdir=${upper.path}/fs,workdir=${upper.path}/work`;
  const words = ['-t', 'overlay', 'overlay', '-o', `${dirs},${options}`, merged];
  if (spawnSync('mount', words, { stdio: 'ignore' }).status !== 0) return undefined;
  try {
    return linesOf(merged);
  } finally {
    spawnSync('umount', [merged]);
  }
}

function linesOf(root: string, at = ''): string[] {
  return readdirSync(join(root, at))
    .sort()
    .flatMap((name) => {
      const path = at === '' ? name : `${at}/${name}`;
      const stat = lstatSync(join(root, path));
      const line = `${path} ${stat.mode.toString(8)}`;
      if (stat.isDirectory()) return [line, ...linesOf(root, path)];
      if (!stat.isFile()) return [`${line} ${stat.nlink}`];
      const mtime = Math.floor(stat.mtimeMs / 1000);
      return [
        `${line} ${stat.nlink} ${mtime} ${readFileSync(join(root, path), 'latin1').replaceAll('\0', '')}`,
      ];
    });
}

/** The same lines of a union in this process. */
function linesOfUnion(paths: Paths, at = ''): string[] {
  return paths.ls(at).flatMap((name) => {
    const path = at === '' ? name : `${at}/${name}`;
    const { mode, nlink, mtimeSec } = paths.stat(path);
    const line = `${path} ${mode.toString(8)}`;
    if (mode >>> 12 === 4) return [line, ...linesOfUnion(paths, path)];
    return [
      mode >>> 12 === 8
        ? `${line} ${nlink} ${mtimeSec} ${paths.read(path).replaceAll('\0', '')}`
        : `${line} ${nlink}`,
    ];
  });
}

describeWith(['root', 'overlay'], 'a process that is killed while it settles', () => {
  let places: Places | undefined;
  afterEach(() => places?.remove());

  for (const [marks, options] of [
    ['trusted', 'index=off'],
    ['user', 'userxattr'],
  ] as const) {
    it(`leaves the guard or a plain upper, and the next settling goes on (${marks})`, () => {
      places = new Places(marks);
      const operation = {
        name: 'settle',
        prepare: (at: Paths) => {
          at.chmod('f', 0o640);
          at.rename('g', 'd/sub/n');
          at.writeAt('h1', 0, 'L');
          at.unlink('d/sub/x');
          at.rename('d', 'moved');
          at.rename('e', 'moved/e');
        },
        act: () => undefined,
      };
      let refused = 0;
      let at = 0;
      for (let killed = true; killed; at++) {
        const upper = places.fresh();
        const first = prepared(operation, upper);
        const before = shown(first.paths);
        const wanted = linesOfUnion(first.paths);
        let changes = 0;
        arm(({ kind }) => (kind === 'change' && changes++ === at ? 'kill' : undefined));
        killed = false;
        try {
          first.union.settle();
        } catch (error) {
          if (!(error instanceof Killed)) throw error;
          killed = true;
        }
        const call = disarm().at(-1)?.name;
        bury(() => first.union.destroy());
        const seen = kernelShows(places, upper, options);
        if (seen === undefined) refused++;
        else expect([at, call, ...seen]).toEqual([at, call, ...wanted]);
        if (!killed) expect(seen).toBeDefined();
        const next = upper.open();
        expect([at, call, ...shown(next.paths)]).toEqual([at, call, ...before]);
        next.union.settle();
        next.union.destroy();
        expect([at, call, kernelShows(places, upper, options)]).toEqual([at, call, wanted]);
        upper.remove();
      }
      expect(at).toBeGreaterThan(5);
      expect(refused).toBeGreaterThan(3);
    });
  }
});
