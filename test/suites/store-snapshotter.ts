// What a snapshotter keeps whose folders are at hand, beyond the contract of all (snapshotter.ts).

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ErrorKind } from '../../src/errors.js';
import type { Driver, StoreSnapshotter } from '../../src/snapshots/snapshot.js';

interface StoreSnapshotterUnderTest {
  readonly snapshotter: StoreSnapshotter;
  readonly close: () => Promise<void>;
}

export function storeSnapshotterSuite(
  name: string,
  driver: Driver,
  open: () => Promise<StoreSnapshotterUnderTest>,
): void {
  describe(`snapshotter with its folders at hand: ${name}`, () => {
    let under: StoreSnapshotterUnderTest;
    let sn: StoreSnapshotter;
    beforeEach(async () => {
      under = await open();
      sn = under.snapshotter;
    });
    afterEach(() => under.close());

    async function committed(name: string, parent?: string): Promise<void> {
      await sn.prepare(`${name}-key`, parent);
      await sn.commit(name, `${name}-key`);
    }

    async function fails(kind: ErrorKind, work: Promise<unknown>): Promise<void> {
      await expect(work).rejects.toMatchObject({ kind });
    }

    it(
      driver === 'fuse' ? 'keeps a quota until it is committed' : 'has no quota where nobody counts',
      async () => {
        const quota = { bytes: 1 << 20, inodes: 100 };
        if (driver !== 'fuse') {
          await fails('unsupported', sn.prepare('key', undefined, { quota }));
          await sn.prepare('key', undefined);
          await fails('unsupported', sn.limit('key', quota));
          return;
        }
        await sn.prepare('key', undefined, { quota });
        expect((await sn.stat('key')).quota).toEqual(quota);
        expect((await sn.stack('key')).upper?.quota).toEqual(quota);
        expect((await sn.limit('key', { bytes: 5 })).quota).toEqual({ bytes: 5 });
        expect((await sn.limit('key', undefined)).quota).toBeUndefined();
        await sn.limit('key', quota);
        expect((await sn.commit('base', 'key')).quota).toBeUndefined();
        await fails('failed-precondition', sn.limit('base', quota));
        await fails('not-found', sn.limit('none', quota));
        await fails('invalid-argument', sn.view('view', 'base', { quota }));
      },
    );

    it('keeps one folder number for life and never gives one out twice', async () => {
      await sn.prepare('key', undefined);
      const { id } = await sn.stat('key');
      await sn.commit('base', 'key');
      expect((await sn.stat('base')).id).toBe(id);
      await sn.remove('base');
      await sn.prepare('key', undefined);
      expect((await sn.stat('key')).id).not.toBe(id);
    });

    it('stacks chains in order', async () => {
      await committed('one');
      await committed('two', 'one');
      await committed('three', 'two');
      expect((await sn.stat('three')).parent).toBe('two');
      const ids = await Promise.all(['three', 'two', 'one'].map(async (n) => (await sn.stat(n)).id));
      await sn.prepare('top', 'three');
      const stack = await sn.stack('top');
      if (driver === 'native') {
        expect(stack.lowers).toEqual([]);
      } else {
        expect(stack.lowers.map((layer) => layer.id)).toEqual(ids);
      }
      expect(stack.upper?.id).toBe((await sn.stat('top')).id);
      expect((await sn.stack('three')).upper).toBeUndefined();
      await fails('not-found', sn.stack('none'));
    });

    it('hands the folders of its stack to callers outside', async () => {
      await committed('one');
      await committed('two', 'one');
      await sn.prepare('key', 'two');
      if (driver === 'native') return;
      const [mount] = await sn.mounts('key');
      const lowers = mount?.options.find((word) => word.startsWith('lowerdir='));
      const folders = (await sn.stack('key')).lowers.map((layer) => layer.path);
      expect(lowers).toBe(`lowerdir=${folders.join(':')}`);
    });

    it('names the next command in the hint', async () => {
      await committed('base');
      await sn.prepare('child', 'base');
      await expect(sn.remove('base')).rejects.toMatchObject({ hint: 'mica snapshot rm child' });
      await expect(sn.prepare('child', 'base')).rejects.toMatchObject({
        hint: expect.stringContaining('mica snapshot rm child'),
      });
    });
  });
}
