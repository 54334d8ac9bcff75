// Who holds a write that has returned: the upper, unless the user asked for writeback. Then the kernel does, and hands
// it over at close, at fsync, at the unmount, and before the upper is settled or committed.

import fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mountSnapshot, unmountSnapshot } from '../../dist/src/mounts/mount-snapshot.js';
import { MountTable } from '../../dist/src/mounts/table.js';
import { Store } from '../../dist/src/store.js';
import { describeWith } from '../requires.js';
import { eachWithMount, Scratch } from './mounted.js';

const PIECE = 'some text of a line, and more of it\n';
const PIECES = 3000;

/** Writes and exits by a signal, so that nothing is closed or flushed by the program. */
const WRITER = `
import mmap, os, sys
for name in ('lower', 'new'):
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    for i in range(${PIECES}): os.write(fd, b'''${PIECE}''')
os.write(1, b'written')
sys.stdin.read()
`;

describeWith(['root', 'fuse', 'program:python3'], 'a write that has returned', () => {
  describe('without fsync', () => {
    const at = eachWithMount();

    it('survives the death of the server', async () => {
      at.scratch.sh('echo lower > lower/lower');
      let served = await at.serve();
      // The descriptors are open when the server dies.
      fs.writeFileSync(at.scratch.at('writer.py'), WRITER);
      const { pid } = served.process;
      at.scratch.sh(`
        mkfifo wait; cd mnt
        (timeout 50 python3 ../writer.py < ../wait > ../said; :) &
        exec 9> ../wait
        until grep -q written ../said; do :; done
        kill -9 ${pid}
        exec 9>&-
        cd /; wait
      `);
      await served.exit;
      at.scratch.sh('umount -l mnt');
      const all = PIECE.repeat(PIECES);
      expect(fs.readFileSync(at.scratch.at('upper/new'), 'utf8')).toBe(all);
      expect(fs.readFileSync(at.scratch.at('upper/lower'), 'utf8')).toBe(`lower\n${all}`);
      served = await at.serve();
      expect(at.scratch.sh('cat mnt/lower | wc -c')).toBe(`${6 + all.length}`);
      expect(await served.stop()).toBe('unmounted');
    });
  });

  describe('with writeback', () => {
    let scratch: Scratch;
    let store: Store;
    let merged: string;
    beforeEach(async () => {
      scratch = new Scratch();
      merged = scratch.at('mnt');
      store = await Store.open(scratch.at('root'), {
        state: scratch.at('state'),
        driver: 'fuse',
        durable: false,
      });
      await store.snapshots.prepare('key', undefined);
      await mountSnapshot(store, 'key', merged, { driver: 'fuse', fuse: { writeback: true } });
    });
    afterEach(async () => {
      for (const row of new MountTable(store.state).list()) await unmountSnapshot(row.target, store.state);
      await store.close();
      scratch.remove();
    });

    it('is collected by the kernel, and is in what is committed while the file is open', async () => {
      const { upper } = await store.snapshots.stack('key');
      const fd = fs.openSync(join(merged, 'file'), 'a');
      for (let i = 0; i < PIECES; i++) fs.writeSync(fd, PIECE);
      const place = join(upper!.path, 'file');
      const all = PIECE.repeat(PIECES);
      expect(fs.fstatSync(fd).size).toBe(all.length);
      expect(fs.statSync(place).size).toBeLessThan(all.length);
      await store.snapshots.commit('name', 'key');
      expect(fs.readFileSync(place, 'utf8')).toBe(all);
      fs.closeSync(fd);
    });

    it('is there after close and after the unmount, appended by two and with the time that was set', async () => {
      const one = fs.openSync(join(merged, 'file'), 'a');
      const other = fs.openSync(join(merged, 'file'), 'a');
      for (let i = 0; i < 100; i++) fs.writeSync(i % 2 === 0 ? one : other, `${i};`);
      fs.writeSync(one, 'at the end', 0);
      fs.closeSync(one);
      const { upper } = await store.snapshots.stack('key');
      const expected = `${Array.from({ length: 100 }, (_, i) => `${i};`).join('')}at the end`;
      expect(fs.readFileSync(join(upper!.path, 'file'), 'utf8')).toBe(expected);
      fs.writeSync(other, ' and more');
      fs.futimesSync(other, 1_000_000_000, 1_000_000_000);
      fs.closeSync(other);
      await unmountSnapshot(merged, store.state);
      const { mtimeMs, size } = fs.statSync(join(upper!.path, 'file'));
      expect({ mtimeMs, size }).toEqual({ mtimeMs: 1e12, size: `${expected} and more`.length });
    });
  });
});
