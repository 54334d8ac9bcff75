// The commands of bin/mica on snapshots that are mounted, each as a shell runs it.

import { spawnSync } from 'node:child_process';
import { appendFileSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { Mica } from '../src/cli/mica.js';

describeWith(['root', 'fuse', 'overlay'], 'commands on what is mounted', () => {
  let mica: Mica;
  let merged: string;
  const ok = (...words: string[]): string => {
    const ran = mica.run(words);
    expect(ran).toMatchObject({ code: 0 });
    return ran.out;
  };

  beforeEach(() => {
    mica = new Mica();
    merged = mica.path('merged');
    for (const folder of ['merged', 'tree', 'elsewhere']) mkdirSync(mica.path(folder));
    writeFileSync(mica.path('tree', 'one'), 'lower\n');
    linkSync(mica.path('tree', 'one'), mica.path('tree', 'two'));
    ok('image', 'create', 'base:1', '--from', mica.path('tree'));
    ok('snapshot', 'prepare', 'key', ok('snapshot', 'ls', '-q').trim());
  });
  afterEach(() => {
    mica.run(['umount', '--all']);
    spawnSync('umount', ['-q', '-l', merged]);
    mica.remove();
  });

  it('what was written through one name of a file is read through the others', () => {
    ok('mount', 'key', merged);
    appendFileSync(`${merged}/one`, 'upper\n');
    expect(ok('cat', 'key:two')).toBe('lower\nupper\n');
    expect(ok('diff', 'key')).toBe('M one\nM two\n');
    expect(ok('diff', merged)).toBe('M one\nM two\n');
    expect(readFileSync(`${merged}/two`, 'utf8')).toBe('lower\nupper\n');
  });

  it('--lower given again goes on below, for a mount and for explain', () => {
    for (const name of ['over', 'under']) {
      mkdirSync(mica.path(name));
      writeFileSync(mica.path(name, 'both'), name);
    }
    writeFileSync(mica.path('under', 'one'), 'under');
    const lowers = ['--lower', mica.path('over'), '--lower', mica.path('under')];
    ok('mount', ...lowers, merged);
    const read = (name: string) => readFileSync(`${merged}/${name}`, 'utf8');
    expect([read('both'), read('one')]).toEqual(['over', 'under']);
    expect(JSON.parse(ok('--json', 'explain', ...lowers, 'both'))).toMatchObject({
      layers: [{ finding: 'file' }, { finding: 'not-looked' }],
    });
  });

  it('a mount with --stats tells at its end what was asked, how often, and how long it took', () => {
    ok('mount', '--stats', 'key', merged);
    for (const name of ['a', 'b', 'c']) mkdirSync(`${merged}/${name}`);
    const { code, err } = mica.run(['umount', merged]);
    expect(code).toBe(0);
    expect(err).toMatch(/^REQUEST +COUNT +TOTAL +MEAN +LONGEST$/m);
    expect(err).toMatch(/^mkdir +3 +[0-9.]+ [um]s +[0-9.]+ [um]s +[0-9.]+ [um]s$/m);
    ok('mount', '--stats', 'key', merged);
    writeFileSync(`${merged}/one`, 'upper\n');
    const [{ stats }] = JSON.parse(ok('--json', 'umount', merged));
    const { count, totalNs, maxNs } = stats.getxattr;
    expect(count).toBeGreaterThan(0);
    expect(maxNs).toBeGreaterThan(0);
    expect(totalNs).toBeGreaterThanOrEqual(maxNs);
    ok('mount', 'key', merged);
    expect(mica.run(['umount', merged])).toMatchObject({ code: 0, err: '' });
    expect(mica.run(['--transport', 'fuse-native', 'mount', '--stats', 'key', merged])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--stats'),
    });
  });

  it('a mount point is known by its plain name, too', () => {
    ok('mount', 'key', merged);
    writeFileSync(`${merged}/new`, '');
    expect(ok('diff', 'merged')).toBe('A new\n');
    ok('commit', 'merged', 'done');
    expect(ok('diff', 'merged')).toBe('');
  });

  it('a commit goes on with the mount, and tells for how long it stood still', () => {
    ok('mount', 'key', merged);
    writeFileSync(`${merged}/new`, 'before');
    const { code, out, err } = mica.run(['commit', 'key', 'one']);
    expect([code, out]).toEqual([0, 'one\n']);
    expect(err).toMatch(/^key stays mounted, on top of one; it stood still for \d+\.\d ms\n$/);
    writeFileSync(`${merged}/new`, 'after');
    expect(ok('cat', 'snapshot:one:new')).toBe('before');
    expect(ok('diff', 'key')).toBe('M new\n');
    const shown = JSON.parse(ok('--json', 'commit', merged, 'two', '--image', 'made:1'));
    expect(shown).toMatchObject({ snapshot: 'two', live: { key: 'key', handedOver: 0 } });
    expect(shown.live.stoppedMs).toBeGreaterThan(0);
    expect(ok('cat', 'made:1:new')).toBe('after');
    expect(mica.run(['commit', 'key', 'two'])).toMatchObject({ code: 4 });
    expect(readFileSync(`${merged}/new`, 'utf8')).toBe('after');
  });

  it('a commit as containerd means it wants the mount to end', () => {
    ok('mount', 'key', merged);
    expect(mica.run(['snapshot', 'commit', 'done', 'key'])).toMatchObject({
      code: 5,
      err: `mica: cannot commit snapshot key: it is mounted at ${merged}\nhint: mica umount ${merged}\n`,
    });
  });

  it('a rollback lists what it would throw away, and throws it away', () => {
    ok('mount', 'key', merged);
    writeFileSync(`${merged}/new`, '');
    expect(ok('snapshot', 'rollback', 'key', '--dry-run')).toBe('A new\n');
    expect(readFileSync(`${merged}/new`, 'utf8')).toBe('');
    const { code, out, err } = mica.run(['snapshot', 'rollback', 'key']);
    expect([code, out]).toEqual([0, 'key\n']);
    expect(err).toMatch(/^key stays mounted; it stood still for \d+\.\d ms\n$/);
    expect(() => readFileSync(`${merged}/new`)).toThrow('ENOENT');
    expect(ok('diff', 'key')).toBe('');
    ok('umount', merged);
    expect(mica.run(['snapshot', 'rollback', 'key'])).toMatchObject({ code: 0, err: '' });
    ok('mount', 'key', merged, '--driver', 'overlay');
    expect(mica.run(['snapshot', 'rollback', 'key'])).toMatchObject({ code: 5 });
  });

  it('explain names the layers, and asks the mount of a key as it asks the mount point', () => {
    ok('mount', 'key', merged);
    const byKey = JSON.parse(ok('--json', 'explain', 'key:one'));
    expect(byKey).toMatchObject({
      layers: [
        { name: 'key', role: 'upper', finding: 'nothing' },
        { name: ok('snapshot', 'ls', '-q').split('\n')[1], role: 'lower', finding: 'file' },
      ],
      onWrite: { copiesBytes: 6 },
    });
    expect(JSON.parse(ok('--json', 'explain', `${merged}/one`))).toEqual(byKey);
    expect(ok('umount', 'key:key')).toBe('key\n');
  });

  it('explain and trace tell a path of a mount from what is mounted over it, and know it in a bind', () => {
    mkdirSync(mica.path('low/d/sub'), { recursive: true });
    writeFileSync(mica.path('low/d/f'), 'lower');
    mkdirSync(mica.path('bind'));
    ok('mount', '--lower', mica.path('low'), merged);
    const covered = `${merged}/d/sub`;
    try {
      expect(spawnSync('mount', ['-t', 'tmpfs', 'none', covered]).status).toBe(0);
      writeFileSync(`${covered}/here`, '');
      for (const path of [`${covered}/here`, covered])
        expect(mica.run(['explain', path])).toMatchObject({
          code: 3,
          err: expect.stringContaining('it is not in a mount of this program'),
        });
      expect(mica.run(['trace', covered, '--for', '0'])).toMatchObject({ code: 3 });
      expect(spawnSync('mount', ['--bind', `${merged}/d`, mica.path('bind')]).status).toBe(0);
      expect(JSON.parse(ok('--json', 'explain', mica.path('bind/f')))).toMatchObject({
        path: 'd/f',
        kind: 'file',
      });
      symlinkSync(merged, mica.path('link'));
      expect(JSON.parse(ok('--json', 'explain', mica.path('link')))).toMatchObject({
        path: '',
        kind: 'folder',
      });
      expect(JSON.parse(ok('--json', 'explain', mica.path('bind/sub')))).toMatchObject({ path: 'd/sub' });
    } finally {
      spawnSync('umount', [mica.path('bind')]);
      spawnSync('umount', [covered]);
    }
  });

  it('explain tells the bytes of a redirect that is not UTF-8', () => {
    mkdirSync(mica.path('moved/d'), { recursive: true });
    const marks = ['-n', 'trusted.overlay.redirect', '-v', '0x61ff', mica.path('moved/d')];
    expect(spawnSync('setfattr', marks).status).toBe(0);
    const told = ok('--json', 'explain', '--lower', mica.path('moved'), '--lower', mica.path('moved'), 'd');
    expect(JSON.parse(told).layers[0]).toMatchObject({
      redirect: 'a\uFFFD',
      redirectBase64: 'Yf8=',
    });
  });

  it.each(['fuse', 'overlay'])(
    'a key that mount-all mounted with %s is not committed or removed',
    (driver) => {
      const mounts = ok('--driver', driver, '--json', 'snapshot', 'mounts', 'key');
      expect(mica.run(['mount-all', merged], { input: mounts })).toMatchObject({ code: 0 });
      for (const words of [
        ['commit', 'key', 'done'],
        ['snapshot', 'commit', 'done', 'key'],
        ['snapshot', 'rm', 'key'],
      ]) {
        expect(mica.run(words)).toMatchObject({
          code: 5,
          err: expect.stringContaining(`it is mounted at ${merged}\n`),
        });
      }
      writeFileSync(`${merged}/one`, 'still there\n');
      spawnSync('umount', [merged]);
      expect(ok('cat', 'key:one')).toBe('still there\n');
    },
  );

  it.each([
    ['a chain of two', ['key']],
    ['one folder', ['prepare', 'alone']],
  ])('a kernel mount of %s by mount-all is listed, held and ended as others are', (_, words) => {
    if (words.length > 1) ok('snapshot', ...words);
    const key = words.at(-1) ?? '';
    const mounts = ok('--driver', 'overlay', '--json', 'snapshot', 'mounts', key);
    expect(mica.run(['mount-all', merged], { input: mounts })).toMatchObject({ code: 0 });
    expect(JSON.parse(ok('--json', 'mounts'))).toMatchObject([{ target: merged, state: 'live' }]);
    expect(mica.run(['mount', key, mica.path('elsewhere')])).toMatchObject({ code: 5 });
    expect(mica.run(['commit', key, 'done'])).toMatchObject({
      code: 5,
      err: expect.stringMatching(/\nhint: mica umount .*merged\n$/),
    });
    ok('umount', merged);
    expect(ok('mounts')).toBe('');
    expect(ok('commit', key, 'done')).toBe('done\n');
  });
});

describeWith(['root', 'fuse', 'fuse-native'], 'commands on what fuse-native serves', () => {
  it('a commit or a rollback wants the mount to end', () => {
    const mica = new Mica();
    try {
      const merged = mica.path('merged');
      mkdirSync(merged);
      expect(mica.run(['snapshot', 'prepare', 'key'])).toMatchObject({ code: 0 });
      expect(mica.run(['--transport', 'fuse-native', 'mount', 'key', merged])).toMatchObject({ code: 0 });
      const refused = { code: 5, err: expect.stringContaining(`hint: mica umount ${merged}\n`) };
      expect(mica.run(['commit', 'key', 'done'])).toMatchObject(refused);
      expect(mica.run(['snapshot', 'rollback', 'key'])).toMatchObject(refused);
    } finally {
      mica.run(['umount', '--all']);
      mica.remove();
    }
  });
});
