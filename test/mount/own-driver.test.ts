// A storage driver that a program around the library adds: stores are made with it and opened with it again.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { mountSnapshot, unmountSnapshot } from '../../dist/src/mounts/mount-snapshot.js';
import { driverNamed, registerDriver, Store } from '../../dist/src/store.js';
import { describeWith } from '../requires.js';

describeWith(['root', 'overlay'], 'a driver of another program', () => {
  let folder: string;
  const mounted: string[] = [];
  const open = (driver?: string) =>
    Store.open(join(folder, 'root'), {
      state: join(folder, 'state'),
      durable: false,
      ...(driver === undefined ? {} : { driver }),
    });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mica-driver-'));
    mkdirSync(join(folder, 'merged'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('mounts what the store has, and is remembered by it', async () => {
    const overlay = driverNamed('overlay');
    registerDriver({
      ...overlay,
      name: 'watched-overlay',
      mount: (stack, target, options) => {
        mounted.push(target);
        if (overlay.mount !== 'served') overlay.mount(stack, target, options);
      },
      mounts: () => [{ type: 'watched', source: 'x', options: [] }],
    });
    const first = await open('watched-overlay');
    await first.snapshots.prepare('base-key', undefined);
    await first.snapshots.commit('base', 'base-key');
    expect(await first.snapshots.prepare('key', 'base')).toEqual([
      { type: 'watched', source: 'x', options: [] },
    ]);
    await first.close();

    const store = await open();
    expect([store.driver, store.driverFrom]).toEqual(['watched-overlay', 'recorded']);
    const target = join(folder, 'merged');
    await mountSnapshot(store, 'key', target);
    writeFileSync(join(target, 'f'), 'new');
    await unmountSnapshot(target, store.state);
    expect(mounted).toEqual([target]);
    const { upper } = await store.snapshots.stack('key');
    expect(readFileSync(join(upper!.path, 'f'), 'utf8')).toBe('new');
    await store.close();
  });
});
