// Lowers that others change while they are mounted: the mount shows it within a second, and nothing of what it
// remembered gets in the way.

import fs from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { beforeEach, expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { eachWithMount, type Served } from './mounted.js';

/** What the mount is asked is asked by other processes, one question after the other. */
async function eventually(look: () => unknown, expected: unknown): Promise<void> {
  for (let left = 100; ; left--) {
    const seen = look();
    try {
      expect(seen).toEqual(expected);
      return;
    } catch (error) {
      if (left === 0) throw error;
      await wait(50);
    }
  }
}

describeWith(['root', 'fuse'], 'lowers that others change', () => {
  const at = eachWithMount();
  const sh = (script: string) => at.scratch.sh(script);
  let served: Served;

  beforeEach(async () => {
    sh(`
      mkdir -p bottom/d bottom/only/sub lower/d/e; echo one > lower/f; echo one > lower/d/f; echo one > bottom/d/b
      ln -s one lower/l; echo keep > lower/keep; echo x > lower/gone; echo u > upper/u; echo low > lower/covered
    `);
    const stack = at.scratch.stack();
    const lower = (id: string) => ({ ...stack.lowers[0]!, id, path: at.scratch.at(id), changes: true });
    served = await at.serve({ stack: { ...stack, lowers: [lower('lower'), lower('bottom')] } });
    // Everything that can be remembered is.
    sh('cd mnt; find . -ls; cat f d/f d/b keep; readlink l; ! cat nothing new d/new 2>&1');
  });

  const read = (path: string) => () => sh(`cat mnt/${path} 2>&1 || :`).replace(/^cat: .*: /, '');
  const list = (path: string) => () => sh(`ls mnt/${path}`).split('\n');
  const stat = (format: string, path: string) => () => sh(`stat -c '${format}' mnt/${path} 2>&1 || :`);

  it('content that was changed in place, also without another size', async () => {
    sh('echo two > lower/f; echo longer text > lower/d/f');
    await eventually(read('f'), 'two');
    await eventually(read('d/f'), 'longer text');
    await eventually(stat('%s', 'd/f'), '12');
  });

  it('a file that was replaced, and what is open stays the old one', async () => {
    sh(
      'echo two > lower/tmp; cp lower/f lower/copy; exec 3< mnt/f; cat mnt/f; mv lower/tmp lower/f; cat <&3 > seen',
    );
    expect(fs.readFileSync(at.scratch.at('seen'), 'utf8')).toBe('one\n');
    await eventually(read('f'), 'two');
    await eventually(stat('%h', 'f'), '1');
  });

  it('names that come and go, and the listings and link counts of their folders', async () => {
    sh(
      'echo new > lower/new; echo new > bottom/d/new; rm lower/gone; mkdir lower/only lower/only/more; rm -r lower/d/e',
    );
    await eventually(read('new'), 'new');
    await eventually(read('d/new'), 'new');
    await eventually(read('gone'), 'No such file or directory');
    await eventually(list('d'), ['b', 'f', 'new']);
    await eventually(stat('%h', 'd'), '2');
    await eventually(list('only'), ['more', 'sub']);
    await eventually(stat('%h', 'only'), '4');
    await eventually(list(''), ['covered', 'd', 'f', 'keep', 'l', 'new', 'only', 'u']);
  });

  it('attributes, targets of symlinks, and a kind that is another now', async () => {
    sh(
      'chmod 600 lower/f; chown 7:8 lower/d; ln -sfn two lower/l; rm lower/gone; mkdir lower/gone; echo in > lower/gone/in',
    );
    await eventually(stat('%a', 'f'), '600');
    await eventually(stat('%u %g', 'd'), '7 8');
    await eventually(() => sh('readlink mnt/l'), 'two');
    await eventually(read('gone/in'), 'in');
    sh('rm -r lower/gone; echo file > lower/gone');
    await eventually(read('gone'), 'file');
  });

  it('folders that were moved, made anew, and removed', async () => {
    sh('mv lower/d/e lower/e; touch lower/e/x; mv lower/d lower/was; mkdir lower/d; echo anew > lower/d/f');
    await eventually(list('e'), ['x']);
    await eventually(read('d/f'), 'anew');
    await eventually(read('was/f'), 'one');
    await eventually(list('d'), ['b', 'f']);
    sh('rm -r bottom/d lower/d');
    await eventually(stat('%n', 'd'), "stat: cannot statx 'mnt/d': No such file or directory");
  });

  it('hides none of it from a copy-up, and what is in the upper stays', async () => {
    sh('echo two > lower/f; echo changed > lower/covered; echo mine > mnt/covered; echo x > lower/u');
    await eventually(read('f'), 'two');
    sh('echo three >> mnt/f; rm mnt/keep; echo other > lower/keep');
    expect(read('f')()).toBe('two\nthree');
    expect(read('u')()).toBe('u');
    expect(read('covered')()).toBe('mine');
    sh('echo four > lower/f; echo four > lower/covered');
    await eventually(stat('%s', 'keep'), "stat: cannot statx 'mnt/keep': No such file or directory");
    expect(read('f')()).toBe('two\nthree');
    expect(read('covered')()).toBe('mine');
    expect(await served.stop()).toBe('unmounted');
  });
});
