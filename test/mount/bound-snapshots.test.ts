// Snapshots that are handed out as binds of mounts which the shared host serves: what an engine does with them, and what is
// there again after the end of whoever handed them out, or of the host.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { mountAll, unmountAll, withTempMount } from '../../dist/src/mounts/mount-all.js';
import { unmountSnapshot } from '../../dist/src/mounts/mount-snapshot.js';
import { MountTable } from '../../dist/src/mounts/table.js';
import { BoundSnapshotter } from '../../dist/src/snapshots/bound-snapshotter.js';
import type { Mount } from '../../dist/src/snapshots/snapshot.js';
import { Store } from '../../dist/src/store.js';
import { describeWith } from '../requires.js';

describeWith(['root', 'fuse'], 'snapshots that are handed out as binds', () => {
  let root: string;
  let target: string;
  let store: Store;
  let bound: BoundSnapshotter;

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'mica-bound-'));
    target = join(root, 'target');
    mkdirSync(target);
    store = await Store.open(join(root, 'root'), {
      state: join(root, 'state'),
      driver: 'fuse',
      durable: false,
    });
    bound = bind();
    await store.snapshots.prepare('first', undefined);
    const { upper } = await store.snapshots.stack('first');
    writeFileSync(join(upper?.path ?? '', 'file'), 'lower\n');
    await store.snapshots.commit('base', 'first');
  });
  afterEach(async () => {
    unmountAll(target, true);
    const rows = table().list();
    for (const row of rows) await unmountSnapshot(row.target, store.state);
    for (const pid of new Set(rows.map((row) => row.process.pid))) {
      if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGTERM');
    }
    await store.close();
    rmSync(root, { recursive: true, force: true });
  });

  const table = () => new MountTable(store.state);

  function bind(): BoundSnapshotter {
    const { state, namespace, folders } = store;
    return new BoundSnapshotter(store.snapshots, { state, namespace, folders, hosting: 'shared' });
  }

  function sh(script: string, ...args: string[]): string {
    const done = spawnSync('timeout', ['60', 'sh', '-ec', script, 'sh', ...args], { encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`exit ${done.status}: ${done.stderr}`);
    return done.stdout;
  }

  it('are written, committed and viewed, and leave no mount behind', async () => {
    const mounts = await bound.prepare('key', 'base');
    expect(mounts).toMatchObject([{ type: 'bind', options: ['rw', 'rbind'] }]);
    await withTempMount(mounts, async (place) => {
      sh('echo more >> "$1/file"; mknod "$1/null" c 1 3; echo x > "$1/null"', place);
    });
    await bound.commit('next', 'key');
    const view = await bound.view('seen', 'next');
    expect(view).toMatchObject([{ type: 'bind', options: ['ro', 'rbind'] }]);
    await withTempMount(view, async (place) => {
      expect(sh('cat "$1/file"', place)).toBe('lower\nmore\n');
      expect(() => sh('touch "$1/new"', place)).toThrow(/Read-only/);
    });
    await bound.remove('seen');
    expect(readdirSync(join(store.state, 'served'))).toEqual([]);
    expect(table().list()).toEqual([]);
  });

  it('are a plain folder where no union is needed', async () => {
    const [mount] = await bound.prepare('alone', undefined);
    expect(mount?.source).toMatch(/\/fs$/);
    expect(table().list()).toEqual([]);
  });

  it('may be committed while somebody has them, who can go on to read', async () => {
    await mountAll(await bound.prepare('key', 'base'), target);
    sh('echo new > "$1/new"', target);
    await bound.commit('next', 'key');
    expect(sh('cat "$1/file" "$1/new"', target)).toBe('lower\nnew\n');
    expect(() => sh('touch "$1/late"', target)).toThrow(/Read-only/);
    const { size } = await bound.usage('next');
    expect(size).toBeGreaterThan(0);
  });

  it('are the same mount, asked for twice, at the same time, and by the next server', async () => {
    await bound.prepare('key', 'base');
    const [first, second] = await Promise.all([bound.mounts('key'), bound.mounts('key')]);
    expect(second).toEqual(first);
    await mountAll(first, target);
    sh('echo one > "$1/one"', target);
    expect(await bind().mounts('key')).toEqual(first);
    expect(table().list().length).toBe(1);
    expect(sh('cat "$1/one"', first[0]?.source ?? '')).toBe('one\n');
  });

  it('are mounted anew when their server was killed, with all that was written', async () => {
    await mountAll(await bound.prepare('key', 'base'), target);
    sh('echo kept > "$1/kept"', target);
    const pid = table().list()[0]?.process.pid ?? 0;
    process.kill(pid, 'SIGKILL');
    while (existsSync(`/proc/${pid}`)) await sleep(10);
    expect(() => sh('ls "$1"', target)).toThrow(/not connected/);
    unmountAll(target, true);
    await mountAll(await bind().mounts('key'), target);
    expect(sh('cat "$1/kept" "$1/file"', target)).toBe('kept\nlower\n');
  });

  it('are mounted anew where they were mounted in a mount namespace that nobody is left in', async () => {
    const { source = '' } = await preparedElsewhere('key');
    expect(readdirSync(source)).toEqual([]);
    const [row] = table().list();
    await mountAll(await bound.mounts('key'), target);
    expect(sh('cat "$1/file" "$1/kept"', target)).toBe('lower\nkept\n');
    expect(row).toBeDefined();
    while (existsSync(`/proc/${row?.process.pid}`)) await sleep(10);
  });

  it('may be removed where they are mounted in another mount namespace, where they are gone, too', async () => {
    await preparedElsewhere('key');
    const [row] = table().list();
    await bound.remove('key');
    expect(readdirSync(join(store.state, 'served'))).toEqual([]);
    while (existsSync(`/proc/${row?.process.pid}`)) await sleep(10);
    expect(table().list()).toEqual([]);
  });

  it('are not there where they cannot be mounted, and can be asked for again', async () => {
    writeFileSync(join(store.state, 'served'), '');
    await expect(bound.prepare('key', 'base')).rejects.toThrow(/ENOTDIR|EEXIST/);
    await expect(store.snapshots.stat('key')).rejects.toMatchObject({ kind: 'not-found' });
    rmSync(join(store.state, 'served'));
    expect(await bound.prepare('key', 'base')).toMatchObject([{ type: 'bind' }]);
  });

  /** What `prepare` hands out in a mount namespace that ends then; a file `kept` is in it. */
  async function preparedElsewhere(key: string): Promise<Mount> {
    const script = `
      import { writeFileSync } from 'node:fs';
      import { Store } from '${new URL('../../dist/src/store.js', import.meta.url)}';
      import { BoundSnapshotter } from '${new URL('../../dist/src/snapshots/bound-snapshotter.js', import.meta.url)}';
      const store = await Store.open(${JSON.stringify(join(root, 'root'))}, {
        state: ${JSON.stringify(store.state)}, driver: 'fuse', durable: false });
      const { state, namespace, folders } = store;
      const bound = new BoundSnapshotter(store.snapshots, { state, namespace, folders, hosting: 'own' });
      const [mount] = await bound.prepare(${JSON.stringify(key)}, 'base');
      writeFileSync(mount.source + '/kept', 'kept\\n');
      console.log(JSON.stringify(mount));
      await store.close();`;
    return JSON.parse(
      sh('exec unshare -m "$1" --input-type=module -e "$2"', process.execPath, script),
    ) as Mount;
  }

  it('that are prepared in the midst of a cleanup keep their mounts', async () => {
    const { snapshots, state, namespace, folders } = store;
    let isAsked = false;
    const inner = Object.create(snapshots, {
      walk: {
        async *value() {
          for await (const snapshot of snapshots.walk()) yield snapshot;
          isAsked = true;
          await bound.prepare('meanwhile', 'base');
        },
      },
      cleanup: { value: () => snapshots.cleanup() },
    });
    await new BoundSnapshotter(inner, { state, namespace, folders, hosting: 'shared' }).cleanup();
    expect(isAsked).toBe(true);
    expect(table().list()).toMatchObject([{ state: 'live', snapshot: { key: 'meanwhile' } }]);
  });

  it('whose rows are gone lose their places with the next cleanup', async () => {
    await bound.prepare('key', 'base');
    const { id } = await store.snapshots.stat('key');
    const [place = ''] = readdirSync(join(store.state, 'served'));
    expect(place.endsWith(`-${id}`)).toBe(true);
    await unmountSnapshot(join(store.state, 'served', place), store.state);
    await store.snapshots.remove('key');
    await bound.cleanup();
    expect(readdirSync(join(store.state, 'served'))).toEqual([]);
  });
});
