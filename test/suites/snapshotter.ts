// What every Snapshotter must do, as containerd's own suite (core/snapshots/testsuite) and its gRPC status table
// have it. Nothing here mounts; what the mounts show is tested where mounting is possible.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ErrorKind } from '../../src/errors.js';
import type { Driver, SnapshotInfo, Snapshotter } from '../../src/snapshots/snapshot.js';
import { timeNow } from '../../src/time.js';

export interface SnapshotterUnderTest {
  readonly snapshotter: Snapshotter;
  readonly close: () => Promise<void>;
}

export function snapshotterSuite(
  name: string,
  driver: Driver,
  open: () => Promise<SnapshotterUnderTest>,
): void {
  describe(`snapshotter: ${name}`, () => {
    let under: SnapshotterUnderTest;
    let sn: Snapshotter;
    beforeEach(async () => {
      under = await open();
      sn = under.snapshotter;
    });
    afterEach(() => under.close());

    async function committed(name: string, parent?: string): Promise<void> {
      await sn.prepare(`${name}-key`, parent);
      await sn.commit(name, `${name}-key`);
    }

    async function names(): Promise<string[]> {
      const all: string[] = [];
      for await (const info of sn.walk()) all.push(info.name);
      return all;
    }

    async function fails(kind: ErrorKind, work: Promise<unknown>): Promise<void> {
      await expect(work).rejects.toMatchObject({ kind });
    }

    describe('life', () => {
      it('goes from a key to a name to the parent of others', async () => {
        await sn.prepare('key', undefined);
        expect(await sn.stat('key')).toMatchObject({ name: 'key', kind: 'active' });
        await sn.commit('base', 'key');
        expect(await sn.stat('base')).toMatchObject({ name: 'base', kind: 'committed' });
        await fails('not-found', sn.stat('key'));
        await sn.prepare('next', 'base');
        expect(await sn.stat('next')).toMatchObject({ kind: 'active', parent: 'base' });
        await sn.view('look', 'base');
        expect(await sn.stat('look')).toMatchObject({ kind: 'view', parent: 'base' });
      });

      it('frees a key on commit and on remove', async () => {
        await committed('base');
        await sn.prepare('base-key', 'base');
        await sn.remove('base-key');
        await sn.view('base-key', 'base');
        expect((await sn.stat('base-key')).kind).toBe('view');
      });

      it('keeps the parent through commit', async () => {
        await committed('one');
        await committed('two', 'one');
        await sn.prepare('top', 'two');
        expect((await sn.stat('two')).parent).toBe('one');
        expect((await sn.stat('top')).parent).toBe('two');
        expect('parent' in (await sn.stat('one'))).toBe(false);
      });

      it('takes keys that look like paths, with spaces and colons', async () => {
        const key = '/tmp/suite/default/7/extract-1 sha256:ab';
        await sn.prepare(key, undefined);
        expect((await sn.stat(key)).name).toBe(key);
        await sn.commit('/tmp/../name', key);
        expect((await sn.stat('/tmp/../name')).kind).toBe('committed');
      });

      it('sets times: made at prepare, made anew at commit, updated at update', async () => {
        const before = timeNow();
        await sn.prepare('key', undefined);
        const active = await sn.stat('key');
        expect(active.created >= before && active.created <= timeNow()).toBe(true);
        expect(active.updated).toBe(active.created);
        const info = await sn.commit('base', 'key');
        expect(info.created > active.created).toBe(true);
        expect(info.updated).toBe(info.created);
        const changed = await sn.update('base', { a: 'b' }, []);
        expect(changed.updated > info.updated).toBe(true);
        expect(changed.created).toBe(info.created);
      });

      it('removes children before parents only', async () => {
        await committed('base');
        await sn.prepare('child', 'base');
        await expect(sn.remove('base')).rejects.toThrow(/remove/);
        await fails('failed-precondition', sn.remove('base'));
        await sn.remove('child');
        await sn.remove('base');
        expect(await names()).toEqual([]);
        await fails('not-found', sn.remove('base'));
      });

      it('lists all in the order of names', async () => {
        await committed('b');
        await sn.prepare('a', 'b');
        await sn.view('c', 'b');
        expect(await names()).toEqual(['a', 'b', 'c']);
      });

      it('makes many at the same time', async () => {
        await committed('base');
        const keys = Array.from({ length: 20 }, (_, n) => `key-${n}`);
        await Promise.all(keys.map((key) => sn.prepare(key, 'base')));
        expect(await names()).toEqual(['base', ...keys.sort()]);
        const sources = await Promise.all(keys.map(async (key) => JSON.stringify(await sn.mounts(key))));
        expect(new Set(sources).size).toBe(20);
        const once = await Promise.allSettled([sn.prepare('same', 'base'), sn.prepare('same', 'base')]);
        expect(once.map((result) => result.status).sort()).toEqual(['fulfilled', 'rejected']);
      });

      it('closes twice', async () => {
        await sn.close();
        await sn.close();
      });
    });

    describe('refusals', () => {
      it('already-exists: a key or name that is taken', async () => {
        await sn.prepare('active', undefined);
        await sn.view('view', undefined);
        await committed('base');
        for (const key of ['active', 'view', 'base']) {
          await fails('already-exists', sn.prepare(key, undefined));
          await fails('already-exists', sn.view(key, 'base'));
        }
      });

      it('not-found: whatever is not there', async () => {
        await fails('not-found', sn.prepare('key', 'none'));
        await fails('not-found', sn.view('key', 'none'));
        await fails('not-found', sn.stat('none'));
        await fails('not-found', sn.mounts('none'));
        await fails('not-found', sn.usage('none'));
        await fails('not-found', sn.remove('none'));
        await fails('not-found', sn.update('none', {}, []));
        await fails('not-found', sn.commit('name', 'none'));
        expect(await names()).toEqual([]);
      });

      it('invalid-argument: a parent that is not committed, an empty key', async () => {
        await sn.prepare('active', undefined);
        await sn.view('view', undefined);
        await fails('invalid-argument', sn.prepare('key', 'active'));
        await fails('invalid-argument', sn.view('key', 'view'));
        await fails('invalid-argument', sn.prepare('', undefined));
      });

      it('leaves the active snapshot usable when the name to commit exists', async () => {
        await committed('base');
        await sn.prepare('key', 'base');
        await fails('already-exists', sn.commit('base', 'key'));
        await fails('already-exists', sn.commit('key', 'key'));
        expect((await sn.stat('key')).kind).toBe('active');
        await sn.commit('other', 'key');
      });

      it('failed-precondition: committing a view or a committed one, mounting a committed one', async () => {
        await committed('base');
        await sn.view('view', 'base');
        await fails('failed-precondition', sn.commit('new', 'view'));
        await fails('failed-precondition', sn.commit('new', 'base'));
        await fails('failed-precondition', sn.mounts('base'));
      });
    });

    describe('labels', () => {
      const labels = { 'containerd.io/gc.root': 'x', plain: 'y' };

      it('are those of prepare, then those of commit alone', async () => {
        await sn.prepare('key', undefined, { labels });
        expect((await sn.stat('key')).labels).toMatchObject(labels);
        const info = await sn.commit('base', 'key', { labels: { other: 'z' } });
        expect(info.labels).toMatchObject({ other: 'z' });
        expect(info.labels).not.toHaveProperty('plain');
      });

      it('change as the field paths say', async () => {
        await sn.prepare('key', undefined, { labels });
        const path = 'labels.containerd.io/gc.root';
        const one = await sn.update('key', { 'containerd.io/gc.root': 'new', ignored: 'i' }, [path]);
        expect(one.labels).toMatchObject({ 'containerd.io/gc.root': 'new', plain: 'y' });
        expect(one.labels).not.toHaveProperty('ignored');
        expect((await sn.update('key', {}, [path])).labels).not.toHaveProperty('containerd.io/gc.root');
        expect((await sn.update('key', { all: '1' }, ['labels'])).labels).not.toHaveProperty('plain');
        await fails('invalid-argument', sn.update('key', {}, ['parent']));
      });

      it('are refused when longer than containerd takes', async () => {
        await fails('invalid-argument', sn.prepare('key', undefined, { labels: { a: 'x'.repeat(4096) } }));
        expect(await names()).toEqual([]);
      });
    });

    describe('mounts for callers outside', () => {
      async function mountOf(key: string): Promise<{ type: string; options: readonly string[] }> {
        const [mount, ...more] = await sn.mounts(key);
        expect(more).toEqual([]);
        if (mount === undefined) throw new Error('no mount');
        return mount;
      }

      it('are a writable bind for a chain of one, a read-only bind for a view of one layer', async () => {
        await sn.prepare('key', undefined);
        expect(await mountOf('key')).toMatchObject({ type: 'bind', options: ['rw', 'rbind'] });
        await sn.view('empty', undefined);
        expect(await mountOf('empty')).toMatchObject({ type: 'bind', options: ['ro', 'rbind'] });
        await committed('base');
        await sn.view('view', 'base');
        expect(await mountOf('view')).toMatchObject({ type: 'bind', options: ['ro', 'rbind'] });
      });

      it('are the driver’s own for longer chains, the same when asked again', async () => {
        await committed('one');
        await committed('two', 'one');
        const prepared = await sn.prepare('key', 'two');
        expect(await sn.mounts('key')).toEqual(prepared);
        const mount = await mountOf('key');
        if (driver === 'native') {
          expect(mount).toMatchObject({ type: 'bind', options: ['rw', 'rbind'] });
          return;
        }
        expect(mount.type).toMatch(driver === 'fuse' ? /^fuse3\.\/.*mica-overlayfs$/ : /^overlay$/);
        expect(mount.options.map((word) => word.split('=')[0])).toEqual(
          expect.arrayContaining(['index', 'workdir', 'upperdir', 'lowerdir']),
        );
        const lowers = mount.options.find((word) => word.startsWith('lowerdir='));
        expect(lowers?.split(':')).toHaveLength(2);
        await sn.view('view', 'two');
        const view = await mountOf('view');
        expect(view.options).not.toEqual(expect.arrayContaining([expect.stringMatching(/^upperdir=/)]));
      });
    });

    it('knows the room of a snapshot, and keeps it from commit on', async () => {
      await sn.prepare('key', undefined);
      expect((await sn.usage('key')).inodes).toBe(1);
      await sn.commit('base', 'key');
      expect((await sn.usage('base')).inodes).toBe(1);
    });

    it('shows what commit returns as what stat returns', async () => {
      await sn.prepare('key', undefined);
      const info: SnapshotInfo = await sn.commit('base', 'key', { labels: { a: 'b' } });
      expect(await sn.stat('base')).toEqual(info);
    });
  });
}
