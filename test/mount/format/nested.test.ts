// Marks that are set through a mount of an overlay belong to the overlay above it: they are kept escaped, read back
// as they were set, and obeyed by whoever takes the mounted folders for layers, the kernel and ours in either order.

import { execFileSync, spawnSync } from 'node:child_process';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Scratch } from '../../program.js';
import { describeWith } from '../../requires.js';

const LAYERS = `mkdir -p top/d top/w bottom/d bottom/w; echo hid > bottom/d/hid; echo w > bottom/w/f; echo f > top/d/f
  setfattr -n trusted.overlay.opaque -v y top/d; : > top/w/f; setfattr -n trusted.overlay.whiteout top/w/f
  setfattr -n trusted.overlay.opaque -v x top/w`;

describeWith(['root', 'fuse', 'overlay'], 'an overlay whose layers lie in another', () => {
  let scratch: Scratch;
  const at = (name: string) => scratch.path(name);
  const sh = (script: string, cwd: string) =>
    execFileSync('timeout', ['60', 'sh', '-ec', script], { cwd, encoding: 'utf8' });
  const kernel = (options: string, place: string) =>
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, at(place)], { stdio: 'ignore' });
  const names = (place: string) => sh('find . | sort', at(place)).trim().split('\n');

  beforeEach(() => {
    scratch = new Scratch('nested');
    for (const name of ['low', 'up', 'work', 'one', 'two', 'own', 'own.work']) scratch.folder(name);
  });
  afterEach(() => {
    for (const place of ['two', 'one']) spawnSync('umount', ['-q', at(place)], { stdio: 'ignore' });
    scratch.remove();
  });

  it('ours above the kernel obeys the marks and goes on from there', () => {
    kernel(`lowerdir=${at('low')},upperdir=${at('up')},workdir=${at('work')}`, 'one');
    sh(LAYERS, at('one'));
    const lowers = `${at('one/top')}:${at('one/bottom')}`;
    scratch.mica('mount', '--lower', lowers, '--upper', at('own'), '--work', at('own.work'), at('two'));
    expect(names('two')).toEqual(['.', './d', './d/f', './w']);
    sh('rm -r d; mkdir d; echo new > d/new', at('two'));
    expect(names('two')).toEqual(['.', './d', './d/new', './w']);
    scratch.mica('umount', at('two'));
  });

  it('the kernel above ours obeys the marks, which ours keeps for it', () => {
    const layers = ['--lower', at('low'), '--upper', at('up'), '--work', at('work')];
    scratch.mica('mount', ...layers, at('one'));
    sh(LAYERS, at('one'));
    scratch.mica('umount', at('one'));
    expect(sh('getfattr --only-values -n trusted.overlay.overlay.opaque up/top/d', at('.'))).toBe('y');
    scratch.mica('mount', ...layers, at('one'));
    expect(names('one')).toContain('./top/w/f');
    kernel(`lowerdir=${at('one/top')}:${at('one/bottom')}`, 'two');
    expect(names('two')).toEqual(['.', './d', './d/f', './w']);
    execFileSync('umount', [at('two')]);
    scratch.mica('umount', at('one'));
  });
});
