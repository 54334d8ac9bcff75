// Garbage collection beside mounts: what is mounted stays, and so does what a person mounted, whatever became of it.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { Mica } from '../src/cli/mica.js';

const ROOT = 'containerd.io/gc.root';

describeWith(['root', 'fuse', 'overlay'], 'garbage collection beside mounts', () => {
  let mica: Mica;
  let merged: string;
  let top: string;
  const ok = (...words: string[]): string => {
    const ran = mica.run(words);
    expect(ran).toMatchObject({ code: 0 });
    return ran.out;
  };
  const names = () => ok('snapshot', 'ls', '-q').split('\n').filter(Boolean);

  beforeEach(() => {
    mica = new Mica();
    merged = mica.path('merged');
    for (const folder of ['merged', 'tree']) mkdirSync(mica.path(folder));
    writeFileSync(mica.path('tree', 'one'), 'lower\n');
    ok('image', 'create', 'base:1', '--from', mica.path('tree'));
    top = ok('snapshot', 'ls', '-q').trim();
  });
  afterEach(() => {
    mica.run(['umount', '--all']);
    spawnSync('umount', ['-q', '-l', merged]);
    mica.remove();
  });

  it('a mount of an image goes on when the image is removed, and its key survives the death of its server', () => {
    ok('mount', 'base:1', merged, '--key', 'work');
    ok('rmi', 'base:1');
    expect(readFileSync(`${merged}/one`, 'utf8')).toBe('lower\n');
    writeFileSync(`${merged}/two`, 'upper\n');
    const [{ pid }] = JSON.parse(ok('--json', 'mounts'));
    process.kill(pid, 'SIGKILL');
    ok('gc');
    expect(names()).toEqual([top, 'work'].sort());
    ok('gc');
    expect(ok('cat', 'work:two')).toBe('upper\n');
    ok('mount', 'work', merged);
    expect(readFileSync(`${merged}/one`, 'utf8')).toBe('lower\n');
  });

  it.each(['fuse', 'overlay'])('what nothing else keeps stays as long as it is mounted by %s', (driver) => {
    ok('snapshot', 'prepare', 'work', top, '--label', `${ROOT}=`);
    ok('snapshot', 'view', 'look', top, '--label', `${ROOT}=`);
    ok('--driver', driver, 'mount', 'work', merged);
    ok('rmi', 'base:1');
    expect(names()).toEqual([top, 'work'].sort());
    const { stays } = JSON.parse(ok('--json', 'gc', '--dry-run'));
    const paths = stays.map((kept: { path: { kind: string; name: string }[] }) =>
      kept.path.map(({ kind, name }) => `${kind} ${name}`),
    );
    expect(paths).toContainEqual([`use mounted at ${merged}`, 'snapshot work']);
    writeFileSync(`${merged}/two`, 'upper\n');
    ok('umount', merged);
    ok('gc');
    expect(names()).toEqual([]);
  });

  it('a key that others mount by what `snapshot mounts` says stays as long as that mount', () => {
    ok('snapshot', 'prepare', 'work', top, '--label', `${ROOT}=`);
    const [{ options }] = JSON.parse(ok('--json', '--driver', 'overlay', 'snapshot', 'mounts', 'work'));
    const mount = spawnSync('mount', ['-t', 'overlay', '-o', options.join(','), 'overlay', merged]);
    expect(mount.status).toBe(0);
    ok('gc');
    expect(names()).toEqual([top, 'work'].sort());
    expect(spawnSync('umount', [merged]).status).toBe(0);
    ok('gc');
    expect(names()).toEqual([top]);
  });
});
