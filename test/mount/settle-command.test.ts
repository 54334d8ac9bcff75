// `mica settle` on the upper of plain folders: while it is mounted, when it is not, and never under the kernel.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, linkSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Scratch } from '../program.js';
import { describeWith } from '../requires.js';

describeWith(['root', 'fuse', 'overlay'], 'mica settle UPPER', () => {
  let scratch: Scratch;
  const at = (name: string) => scratch.path(name);
  const guarded = () => existsSync(at('work/work/incompat/mica'));
  const mount = () =>
    scratch.mica('mount', '--lower', at('low'), '--upper', at('up'), '--work', at('work'), at('mnt'));
  const append = (name: string) =>
    execFileSync('timeout', ['60', 'sh', '-c', 'echo more >> "$0"', at(`mnt/${name}`)]);

  beforeEach(() => {
    scratch = new Scratch('settle');
    for (const name of ['low', 'up', 'work', 'mnt']) scratch.folder(name);
    for (const name of ['one', 'two']) {
      writeFileSync(at(`low/${name}`), name);
      linkSync(at(`low/${name}`), at(`low/${name}-b`));
    }
  });
  afterEach(() => scratch.remove());

  it('makes the upper of a running mount plain through its server, and says when it was plain already', () => {
    mount();
    append('one');
    expect(guarded()).toBe(true);
    expect(JSON.parse(scratch.mica('settle', at('up'), '--json'))).toEqual({ key: at('up'), settled: true });
    expect(guarded()).toBe(false);
    expect(existsSync(at('up/one-b'))).toBe(true);
    expect(JSON.parse(scratch.mica('settle', at('up'), '--json'))).toEqual({ key: at('up'), settled: false });
  });

  it('makes an upper plain that is not mounted, with its lowers, and says which words are missing', () => {
    mount();
    append('two');
    scratch.mica('umount', at('mnt'));
    const refused = scratch.try('settle', at('up'));
    expect(refused).toMatchObject({ code: 3 });
    expect(refused.err).toContain('--lower DIR:DIR --work DIR');
    scratch.mica('settle', at('up'), '--lower', at('low'), '--work', at('work'));
    expect(guarded()).toBe(false);
    expect(existsSync(at('up/two-b'))).toBe(true);
  });

  it('finds what the diff folder of a container that has ended lies on, and needs no store for that', () => {
    const folders = ['c/diff', 'c/work', 'c/merged', 'below/diff', 'above/diff', 'l'];
    for (const name of folders) scratch.folder(`overlay/${name}`);
    const [diff, work, above, below] = ['c/diff', 'c/work', 'above/diff', 'below/diff'].map((name) =>
      at(`overlay/${name}`),
    );
    symlinkSync('../above/diff', at('overlay/l/ABOVE'));
    symlinkSync('../below/diff', at('overlay/l/BELOW'));
    writeFileSync(at('overlay/c/lower'), 'l/ABOVE:l/BELOW');
    writeFileSync(`${above}/file`, 'the content');
    writeFileSync(`${below}/file`, 'what is hidden');
    const words = ['--lower', `${above}:${below}`, '--upper', `${diff}`, '--work', `${work}`];
    scratch.mica('mount', ...words, at('mnt'));
    execFileSync('timeout', ['60', 'chmod', '600', at('mnt/file')]);
    scratch.mica('umount', at('mnt'));
    expect(existsSync(`${work}/work/incompat/mica`)).toBe(true);
    expect(readFileSync(`${diff}/file`, 'latin1')).not.toBe('the content');
    writeFileSync(at('no-store'), '');
    expect(scratch.mica('settle', `${diff}`, '--root', at('no-store'))).toBe(`${diff}\n`);
    expect(existsSync(`${work}/work/incompat/mica`)).toBe(false);
    expect(readFileSync(`${diff}/file`, 'latin1')).toBe('the content');
  });

  it('fetches the rest of a large file of which one byte was written, and explain tells what is where', () => {
    const content = Buffer.alloc(5 << 20, 'l');
    writeFileSync(at('low/big'), content);
    mount();
    const explained = () => JSON.parse(scratch.mica('explain', at('mnt/big'), '--json'));
    expect(explained().onWrite).toMatchObject({ copiesBytes: 4096 });
    execFileSync(
      'timeout',
      ['60', 'sh', '-c', 'printf ! | dd of="$0" bs=1 seek=5 conv=notrunc', at('mnt/big')],
      {
        stdio: 'ignore',
      },
    );
    content.write('!', 5);
    expect(explained().layers.map(({ finding }: { finding: string }) => finding)).toEqual(['part', 'file']);
    expect(explained().data).toEqual({
      ownBytes: 4096,
      ownRanges: 1,
      ranges: [
        { from: 0, to: 4096, layer: at('up') },
        { from: 4096, to: 5 << 20, layer: at('low') },
      ],
    });
    expect(statSync(at('up/big')).blocks).toBeLessThan(32);
    scratch.mica('umount', at('mnt'));
    scratch.mica('settle', at('up'), '--lower', at('low'), '--work', at('work'));
    expect(guarded()).toBe(false);
    expect(readFileSync(at('up/big')).equals(content)).toBe(true);
  });

  it('leaves an upper alone that the kernel writes to', () => {
    const dirs = `lowerdir=${at('low')},upperdir=${at('up')},workdir=${at('work')}`;
    expect(spawnSync('mount', ['-t', 'overlay', 'overlay', '-o', dirs, at('mnt')]).status).toBe(0);
    const refused = scratch.try('settle', at('up'));
    expect(refused).toMatchObject({ code: 5 });
    expect(refused.err).toContain(`the kernel writes to it, mounted at ${at('mnt')}`);
  });

  it('leaves an upper alone that the kernel writes to under a relative name, and no other of that name', () => {
    for (const name of ['other/up', 'other/work', 'other/mnt', 'place']) scratch.folder(name);
    const kernel = (cwd: string, upper: string, target: string) =>
      execFileSync(
        'mount',
        [
          '-t',
          'overlay',
          'overlay',
          '-o',
          `lowerdir=${at('low')},upperdir=${upper},workdir=work`,
          at(target),
        ],
        { cwd: at(cwd) },
      );
    kernel('other', 'up', 'other/mnt');
    const words = ['mount', '--lower', at('low'), '--upper', at('up'), '--work', at('work'), at('place')];
    scratch.mica(...words);
    scratch.mica('umount', at('place'));
    kernel('.', './up', 'mnt');
    execFileSync('timeout', ['60', 'sh', '-c', 'echo new > mnt/new; rm mnt/one'], { cwd: at('.') });
    const refused = scratch.try(...words);
    expect(refused).toMatchObject({ code: 5 });
    expect(refused.err).toContain(`in use by the kernel, mounted at ${at('mnt')}`);
  });
});
