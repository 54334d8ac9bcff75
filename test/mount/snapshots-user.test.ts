// Mounted snapshots of an ordinary user, in a process of that user's. As root it runs as `nobody`.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { featureSet } from '../../dist/native-fallback/index.js';
import { describeWith } from '../requires.js';

const TOP = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const AS_USER = process.geteuid?.() === 0 ? ['runuser', '-u', 'nobody', '--'] : [];

const OPEN = `
  import { spawnSync } from 'node:child_process';
  import { mkdirSync } from 'node:fs';
  const dist = ${JSON.stringify(`file://${TOP}/dist/`)};
  const { Store } = await import(dist + 'src/store.js');
  const { mountSnapshot, unmountSnapshot } = await import(dist + 'src/mounts/mount-snapshot.js');
  const { MountTable } = await import(dist + 'src/mounts/table.js');
  const root = process.argv.at(-1);
  const mnt = root + '/mnt';
  const store = await Store.open(root + '/root', { state: root + '/state' });
  mkdirSync(mnt, { recursive: true });
  const sh = (script) => spawnSync('sh', ['-ec', script], { cwd: mnt, encoding: 'utf8' }).stdout;
  const told = {};
`;
const CLOSE = `
  await store.close();
  console.log(JSON.stringify(told));
`;

describeWith(
  ['fuse for all', 'program:fusermount3', 'program:unshare'],
  'snapshots of an ordinary user',
  () => {
    let root: string;
    beforeEach(() => {
      root = mkdtempSync(join(tmpdir(), 'mica-user-'));
      chmodSync(root, 0o755);
      if (AS_USER.length > 0) spawnSync('chown', ['nobody', root]);
    });
    afterEach(() => {
      spawnSync('umount', ['-q', '-l', join(root, 'mnt')]);
      rmSync(root, { recursive: true, force: true });
    });

    function run(work: string, under: readonly string[] = []): unknown {
      const script = `${OPEN}${work}${CLOSE}`;
      const node = [process.execPath, '--input-type=module', '-e', script, '--', root];
      const [command = '', ...words] = [...AS_USER, 'timeout', '60', ...under, ...node];
      const done = spawnSync(command, words, { cwd: '/', encoding: 'utf8' });
      if (done.status !== 0) throw new Error(done.stderr);
      return JSON.parse(done.stdout);
    }

    it('are mounted by FUSE, committed, and mounted on top of each other', () => {
      const told = run(`
      await store.snapshots.prepare('one', undefined);
      await mountSnapshot(store, 'one', mnt);
      sh('echo text > file; mkdir folder; touch folder/inner');
      await store.snapshots.commit('base', 'one');
      await unmountSnapshot(mnt, store.state);
      await store.snapshots.prepare('two', 'base');
      await mountSnapshot(store, 'two', mnt);
      sh('rm file; mv folder moved');
      await unmountSnapshot(mnt, store.state);
      await mountSnapshot(store, 'two', mnt, { readOnly: true });
      told.driver = store.driver;
      told.marks = (await store.snapshots.stack('two')).upper.marks;
      told.tree = sh('find . | sort');
      await unmountSnapshot(mnt, store.state);
      told.left = new MountTable(store.state).list();
    `);
      expect(told).toEqual({
        driver: 'fuse',
        marks: 'user',
        tree: '.\n./moved\n./moved/inner\n',
        left: [],
      });
    });

    it('are committed and rolled back while they are mounted', () => {
      const told = run(`
      await store.snapshots.prepare('one', undefined);
      await mountSnapshot(store, 'one', mnt);
      sh('echo before > file; mkdir folder; echo x > folder/inner; mv folder moved; exec 3>>file; echo more >&3');
      told.stop = (await store.snapshots.commitLive('base', 'one')).stop.stoppedMs > 0;
      sh('echo after >> file; rm -r moved; mkdir moved');
      told.shown = sh('cat file; find moved');
      await store.snapshots.rollBack('one');
      told.back = sh('cat file; find moved; echo again >> file; mv moved folder');
      await unmountSnapshot(mnt, store.state);
      told.parent = (await store.snapshots.stat('one')).parent;
      await mountSnapshot(store, 'one', mnt);
      told.key = sh('cat file; find folder');
      await unmountSnapshot(mnt, store.state);
    `);
      expect(told).toEqual({
        stop: true,
        shown: 'before\nmore\nafter\nmoved\n',
        back: 'before\nmore\nmoved\nmoved/inner\n',
        parent: 'base',
        key: 'before\nmore\nagain\nfolder\nfolder/inner\n',
      });
    });

    it('are not mounted by the kernel, with the way out in the hint', () => {
      const told = run(`
      await store.snapshots.prepare('one', undefined);
      await mountSnapshot(store, 'one', mnt, { driver: 'overlay' }).catch((error) => {
        told.error = { kind: error.kind, hint: error.hint };
      });
      told.left = new MountTable(store.state).list();
    `);
      expect(told).toEqual({
        error: { kind: 'unsupported', hint: expect.stringContaining('--driver fuse') },
        left: [],
      });
    });

    // Marks of ordinary users are the kernel's affair since Linux 5.11; before, FUSE is their driver.
    if (featureSet().has('userxattr')) {
      it('are mounted by the kernel inside a user namespace, which takes the mount along', () => {
        const first = run(
          `
      await store.snapshots.prepare('one', undefined);
      await store.snapshots.commit('base', 'one');
      await store.snapshots.prepare('two', 'base');
      await mountSnapshot(store, 'two', mnt, { driver: 'overlay' });
      sh('echo text > file');
      told.mounts = new MountTable(store.state).list().map((row) => row.driver);
      `,
          ['unshare', '-Urm'],
        );
        expect(first).toEqual({ mounts: ['overlay'] });
        const second = run(`
      told.before = new MountTable(store.state).list();
      told.cleaned = new MountTable(store.state).sweep().length;
      await mountSnapshot(store, 'two', mnt);
      told.text = sh('cat file');
      await unmountSnapshot(mnt, store.state);
      `);
        expect(second).toEqual({ before: [], cleaned: 1, text: 'text\n' });
      });
    }
  },
);
