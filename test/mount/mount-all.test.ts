import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { mountAll, unmountAll, withTempMount } from '../../dist/src/mounts/mount-all.js';
import { readMounts } from '../../dist/src/mounts/mountinfo.js';
import { describeWith } from '../requires.js';

describeWith(['root', 'overlay'], 'mounts that came as data', () => {
  let root: string;
  let target: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'mica-all-'));
    target = join(root, 'target');
    for (const name of ['target', 'a', 'b', 'upper', 'work']) mkdirSync(join(root, name));
    for (const name of ['a', 'b']) writeFileSync(join(root, name, name), name);
  });
  afterEach(() => {
    unmountAll(target, true);
    rmSync(root, { recursive: true });
  });
  const mounted = () => (readMounts() ?? []).filter((mount) => mount.target.startsWith(root)).length;

  it('are a bind, writable or read only', async () => {
    const bind = { type: 'bind', source: join(root, 'a') };
    await mountAll([{ ...bind, options: ['rbind', 'rw'] }], target);
    writeFileSync(join(target, 'new'), '');
    unmountAll(target);
    await mountAll([{ ...bind, options: ['ro', 'rbind'] }], target);
    expect(existsSync(join(target, 'new'))).toBe(true);
    expect(() => writeFileSync(join(target, 'other'), '')).toThrow('EROFS');
  });

  it('are an overlay', async () => {
    const layers = `lowerdir=${join(root, 'a')}:${join(root, 'b')}`;
    const upper = [`upperdir=${join(root, 'upper')}`, `workdir=${join(root, 'work')}`];
    await mountAll(
      [{ type: 'overlay', source: 'overlay', options: ['index=off', ...upper, layers] }],
      target,
    );
    expect(readFileSync(join(target, 'b'), 'utf8')).toBe('b');
    writeFileSync(join(target, 'new'), '');
    expect(existsSync(join(root, 'upper/new'))).toBe(true);
  });

  it('are an overlay with more words than a page holds', async () => {
    const lowers = Array.from({ length: 100 }, (_, n) => join(root, `layer-${n}`.padEnd(25, '-')));
    for (const [n, path] of lowers.entries()) {
      mkdirSync(path);
      writeFileSync(join(path, `${n}`), '');
    }
    await mountAll(
      [{ type: 'overlay', source: 'overlay', options: [`lowerdir=${lowers.join(':')}`] }],
      target,
    );
    expect(existsSync(join(target, '99'))).toBe(true);
  });

  it('are made in order, each at its place, and undone in reverse when one fails', async () => {
    const bind = (name: string, below?: string) => ({
      type: 'bind',
      source: join(root, name),
      options: ['rbind'],
      ...(below === undefined ? {} : { target: below }),
    });
    mkdirSync(join(root, 'a/below'));
    await mountAll([bind('a'), bind('b', 'below')], target);
    expect(readFileSync(join(target, 'below/b'), 'utf8')).toBe('b');
    unmountAll(target);
    expect(mounted()).toBe(0);
    await expect(mountAll([bind('a'), bind('b', 'below'), bind('missing')], target)).rejects.toMatchObject({
      message: expect.stringContaining('cannot mount at'),
    });
    expect(mounted()).toBe(0);
    await expect(mountAll([bind('a', '../upper')], target)).rejects.toMatchObject({
      kind: 'invalid-argument',
    });
  });

  it('run a FUSE helper with source, target and options, and relay what it says', async () => {
    const helper = join(root, 'helper');
    writeFileSync(helper, `#!/bin/sh\nprintf '%s\\n' "$@" > ${join(root, 'words')}\n`);
    chmodSync(helper, 0o755);
    const mount = { type: `fuse3.${helper}`, source: 'overlay', options: ['lowerdir=/a:/b', 'index=off'] };
    await mountAll([mount], target);
    expect(readFileSync(join(root, 'words'), 'utf8')).toBe(
      `overlay\n${target}\n-o\nlowerdir=/a:/b,index=off,dev,suid\n`,
    );
    writeFileSync(helper, '#!/bin/sh\necho no such layer >&2\nexit 1\n');
    await expect(mountAll([mount], target)).rejects.toThrow(`cannot mount at ${target}: no such layer`);
    await expect(mountAll([{ ...mount, type: 'fuse3./nowhere' }], target)).rejects.toThrow('ENOENT');
  });

  it('relay what a FUSE helper says after its exit, and what failed first', async () => {
    const helper = join(root, 'helper');
    const mount = { type: `fuse3.${helper}`, source: 'overlay', options: [] };
    writeFileSync(helper, '#!/bin/sh\n(sleep 0.2; echo no such layer >&2) &\nexit 1\n');
    chmodSync(helper, 0o755);
    await expect(mountAll([mount], target)).rejects.toThrow(`cannot mount at ${target}: no such layer`);
    writeFileSync(helper, '#!/bin/sh\numount "$2"\necho no such layer >&2\nexit 1\n');
    const bind = { type: 'bind', source: join(root, 'a'), options: ['rbind'] };
    await expect(mountAll([bind, mount], target)).rejects.toThrow('no such layer');
  });

  it('end with the failure of the work, also where somebody keeps them from ending', async () => {
    const bind = { type: 'bind', source: join(root, 'a'), options: ['rbind', 'ro'] };
    let place = '';
    let held: number | undefined;
    const work = withTempMount([bind], async (folder) => {
      place = folder;
      held = openSync(join(folder, 'a'), 'r');
      throw new Error('the work failed');
    });
    try {
      await expect(work).rejects.toThrow('the work failed');
    } finally {
      closeSync(held!);
      unmountAll(place);
      rmdirSync(place);
    }
  });

  it('last as long as the work that needs them', async () => {
    const mounts = [{ type: 'bind', source: join(root, 'a'), options: ['rbind', 'ro'] }];
    let place = '';
    await expect(
      withTempMount(mounts, async (folder) => {
        place = folder;
        expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('a');
        throw new Error('the work failed');
      }),
    ).rejects.toThrow('the work failed');
    expect(existsSync(place)).toBe(false);
  });
});
