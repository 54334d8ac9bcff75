// The commit of a mount that is in use, whose command or server is killed at one of its system calls. Afterwards the
// changes are committed and the key goes on above them, or nothing was committed; what was written is there either way,
// also past the server.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openStack, Union } from '../../fs/index.js';
import { unmountSnapshot } from '../../src/mounts/mount-snapshot.js';
import { MountTable } from '../../src/mounts/table.js';
import type { StoredSnapshot } from '../../src/snapshots/snapshot.js';
import { Store } from '../../src/store.js';
import { Scratch, top } from '../program.js';
import { describeWith } from '../requires.js';
import { runs } from '../runs.js';
import { Paths } from '../suites/paths.js';

/** What changes something on disk, or speaks to the other process. */
const CALLS =
  'rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat,rmdir,linkat,fsetxattr,ftruncate,fsync,fdatasync,syncfs,' +
  'fchmod,fchmodat,fchown,utimensat,pwrite64,pwritev,connect,ioctl';
const LONG = runs(1) > 1;
const LIMIT_MS = LONG ? 3_000_000 : 300_000;
const TODAY = Math.floor(Date.now() / 86_400_000);
/** Numbers of calls of one thread. The short form tries a few of them, others each day. */
const tried = (last: number, few: readonly number[]) =>
  LONG ? Array.from({ length: last }, (_, n) => n + 1) : few.map((n) => n + (TODAY % 3));
const OF_COMMAND = tried(50, [1, 4, 9, 14, 20, 28]);
/** The marker is the 52nd or so. */
const OF_SERVER = tried(66, [1, 16, 33, 46, 50, 53]);

describeWith(
  ['root', 'fuse', 'program:strace', 'program:python3'],
  `a commit of a mount (day ${TODAY})`,
  () => {
    let scratch: Scratch;
    let mnt: string;
    let holder: ChildProcess;
    beforeEach(() => {
      scratch = new Scratch('live-kill');
      mnt = scratch.folder('mnt');
      const fs = scratch.folder('source');
      mkdirSync(join(fs, 'd'));
      for (const name of ['f', 'd/g', 'd/h']) writeFileSync(join(fs, name), 'below ');
      scratch.mica('image', 'create', 'base:1', '--from', fs);
    });
    afterEach(() => {
      holder?.kill('SIGKILL');
      scratch.remove();
    });

    /** Mounts, changes something, and leaves a file open that is written past the server. */
    async function begin(): Promise<void> {
      scratch.mica('mount', 'base:1', mnt, '--key', 'work', '--driver', 'fuse');
      appendFileSync(join(mnt, 'f'), 'before ');
      spawnSync('sh', ['-c', 'chmod 600 d/g; rm d/h; mv d e; mkdir d'], { cwd: mnt });
      const program =
        'import os, sys\nf = os.open("e/past", os.O_CREAT | os.O_WRONLY)\nos.write(f, b"before ")\nprint(flush=True)\n' +
        'for line in sys.stdin:\n  os.write(f, b"after ")\n  print(flush=True)\n';
      holder = spawn('python3', ['-c', program], {
        cwd: mnt,
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      await once(holder.stdout!, 'data');
    }

    async function writeAfter(): Promise<void> {
      appendFileSync(join(mnt, 'f'), 'after ');
      holder.stdin!.write('\n');
      await once(holder.stdout!, 'data');
    }

    const words = (...more: string[]) => [
      join(top, 'bin/mica'),
      ...['--root', scratch.path('root'), '--state', scratch.path('state')],
      ...more,
    ];

    /** Whether it was committed; what it holds is checked, and what the key shows after a mount of its own. */
    async function check(shown: string): Promise<boolean> {
      const store = await Store.open(scratch.path('root'), { state: scratch.path('state'), driver: 'fuse' });
      try {
        const rows: StoredSnapshot[] = [];
        for await (const row of store.snapshots.walk()) rows.push(row);
        const committed = rows.find(({ name }) => name === 'one');
        const active = rows.find(({ name }) => name === 'work');
        expect(active?.kind).toBe('active');
        expect(active?.parent === 'one').toBe(committed !== undefined);
        if (committed !== undefined) {
          expect(committed.kind).toBe('committed');
          const paths = new Paths(new Union(openStack(await store.snapshots.stack('one'))));
          expect(paths.read('f')).toBe('below before ');
          expect(paths.read('e/past')).toBe('before ');
          expect([paths.ls(''), paths.ls('e')]).toEqual([
            ['d', 'e', 'f'],
            ['g', 'past'],
          ]);
          paths.fs.destroy();
        }
        holder.kill('SIGKILL');
        await once(holder, 'exit');
        for (const row of new MountTable(store.state).list()) {
          await unmountSnapshot(row.target, store.state, row.state === 'dead');
        }
        await store.snapshots.cleanup();
        const ids = rows.map(({ id }) => id).sort();
        expect(readdirSync(scratch.path('root/snapshots')).sort()).toEqual(ids);
        const paths = new Paths(new Union(openStack(await store.snapshots.stack('work'))));
        expect(paths.read('f')).toBe(`below before ${shown}`);
        expect(paths.read('e/past')).toBe(`before ${shown}`);
        expect([paths.ls(''), paths.ls('e')]).toEqual([
          ['d', 'e', 'f'],
          ['g', 'past'],
        ]);
        paths.fs.destroy();
        await store.snapshots.remove('work');
        if (committed !== undefined) await store.snapshots.remove('one');
        return committed !== undefined;
      } finally {
        await store.close();
      }
    }

    it('that is killed has done it or not', { timeout: LIMIT_MS }, async () => {
      const ended = new Set<string>();
      for (const when of OF_COMMAND) {
        await begin();
        const inject = ['-e', `trace=${CALLS}`, '-e', `inject=${CALLS}:signal=KILL:when=${when}`];
        const node = [process.execPath, ...words('commit', 'work', 'one')];
        const done = spawnSync('timeout', [
          '60',
          'strace',
          '-f',
          '-qq',
          '-o',
          '/dev/null',
          ...inject,
          ...node,
        ]);
        await writeAfter();
        const committed = await check('after ');
        if (done.status === 0) expect(committed).toBe(true);
        ended.add(`${done.status === 0 ? 'whole' : 'killed'}, ${committed ? 'committed' : 'not'}`);
      }
      expect([...ended]).toContain('killed, not');
    });

    it('whose server is killed is done or not', { timeout: LIMIT_MS }, async () => {
      for (const when of OF_SERVER) {
        await begin();
        const [mount] = JSON.parse(scratch.mica('--json', 'mounts')) as { readonly pid: number }[];
        const inject = ['-e', `trace=${CALLS}`, '-e', `inject=${CALLS}:signal=KILL:when=${when}`];
        const strace = spawn('strace', ['-f', '-o', '/dev/null', ...inject, '-p', String(mount?.pid)], {
          stdio: ['ignore', 'ignore', 'pipe'],
        });
        const left = once(strace, 'exit');
        await once(strace.stderr!, 'data');
        const done = scratch.try('commit', 'work', 'one');
        // What survived that dies now.
        spawnSync('kill', ['-9', String(mount?.pid)]);
        await left;
        const committed = await check('');
        if (done.code === 0) expect(committed).toBe(true);
      }
    });
  },
);
