// What is asked of a snapshotter over the wire, call by call: statuses, labels, lists, partitions.

import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { timeOf } from '../../../src/containerd/convert.js';
import {
  type Info,
  Kind,
  type MountsResponse,
  SnapshotsClient,
} from '../../../src/containerd/gen/containerd/services/snapshots/v1/snapshots.js';
import { StoreServer } from '../../../src/containerd/server/server.js';
import { listenAt } from '../../../src/containerd/server/socket.js';
import { timeNow } from '../../../src/time.js';
import { describeWith } from '../../requires.js';
import { ask, everyMessage, headers, insecure, type Served, serveStore } from './served.js';

const SNAPSHOT_REF = 'containerd.io/snapshot.ref';
const at = { snapshotter: 'ours' };

let served: Served;
let client: SnapshotsClient;
beforeEach(async () => {
  served = await serveStore();
  client = new SnapshotsClient(served.target, insecure());
});
afterEach(async () => {
  client.close();
  expect(served.faults).toEqual([]);
  await served.close();
});

type Labels = Record<string, string>;
const prepare = (key: string, parent = '', labels: Labels = {}) =>
  ask<MountsResponse>((done) => client.prepare({ ...at, key, parent, labels }, done));
const commit = (name: string, key: string, labels: Labels = {}, parent = '') =>
  ask((done) => client.commit({ ...at, name, key, labels, parent }, done));
const stat = async (key: string) =>
  (await ask<{ info: Info | undefined }>((done) => client.stat({ ...at, key }, done))).info;
const remove = (key: string) => ask((done) => client.remove({ ...at, key }, done));
const list = async (...filters: string[]) =>
  (await everyMessage(client.list({ ...at, filters }))).map(({ info }) => info.map(({ name }) => name));

async function committed(name: string, parent = '', labels: Labels = {}): Promise<void> {
  await prepare(`${name} key`, parent);
  await commit(name, `${name} key`, labels);
}

const fails = (code: status, work: Promise<unknown>, text = '') =>
  expect(work).rejects.toMatchObject({ code, details: expect.stringContaining(text) });

test('a snapshot goes from a key to a name to the parent of others, and is told with its times', async () => {
  const before = timeNow();
  const { mounts } = await prepare('k8s.io/1/extract-17-aZ0_ sha256:1');
  const helper = expect.stringMatching(/^fuse3\.\/.*mica-overlayfs$/);
  // A single folder is bound by who may mount; others have the helper show it.
  const single = (mode: string) =>
    process.getuid?.() === 0
      ? { type: 'bind', options: [mode, 'rbind'] }
      : { type: helper, source: 'overlay' };
  expect(mounts).toMatchObject([{ ...single('rw'), target: '' }]);
  await commit('k8s.io/2/sha256:1', 'k8s.io/1/extract-17-aZ0_ sha256:1', { a: '1' });
  const after = timeNow();
  const base = await stat('k8s.io/2/sha256:1');
  expect(base).toMatchObject({
    name: 'k8s.io/2/sha256:1',
    parent: '',
    kind: Kind.COMMITTED,
    labels: { a: '1' },
  });
  const created = timeOf(base?.createdAt);
  expect(before <= created && created <= after).toBe(true);

  const view = await ask<MountsResponse>((done) =>
    client.view({ ...at, key: 'v', parent: 'k8s.io/2/sha256:1', labels: {} }, done),
  );
  expect(view.mounts).toMatchObject([single('ro')]);
  const upper = await prepare('k', 'k8s.io/2/sha256:1');
  expect(upper.mounts).toMatchObject([{ type: helper }]);
  expect(await ask((done) => client.mounts({ ...at, key: 'k' }, done))).toEqual(upper);
  expect(await ask((done) => client.usage({ ...at, key: 'k' }, done))).toMatchObject({ inodes: 1 });
  await fails(status.FAILED_PRECONDITION, remove('k8s.io/2/sha256:1'), 'remove');
  await remove('k');
  await remove('v');
  await remove('k8s.io/2/sha256:1');
  expect(await list()).toEqual([]);
  await ask((done) => client.cleanup(at, done));
});

test('refusals have the statuses by which containerd branches', async () => {
  await committed('base');
  await prepare('key', 'base');
  await ask((done) => client.view({ ...at, key: 'view', parent: 'base', labels: {} }, done));
  for (const taken of ['key', 'view', 'base']) await fails(status.ALREADY_EXISTS, prepare(taken));
  await fails(status.NOT_FOUND, prepare('new', 'none'));
  await fails(status.INVALID_ARGUMENT, prepare('new', 'key'));
  await fails(status.UNKNOWN, prepare(''));
  await fails(status.INVALID_ARGUMENT, prepare('new', '', { long: 'x'.repeat(5000) }));
  for (const missing of ['none', '']) {
    await fails(status.NOT_FOUND, stat(missing));
    await fails(status.NOT_FOUND, remove(missing));
    await fails(
      status.NOT_FOUND,
      ask((done) => client.mounts({ ...at, key: missing }, done)),
    );
    await fails(
      status.NOT_FOUND,
      ask((done) => client.usage({ ...at, key: missing }, done)),
    );
    await fails(status.NOT_FOUND, commit('name', missing));
    await fails(status.NOT_FOUND, update(missing, {}, ['labels']));
  }
  await fails(status.ALREADY_EXISTS, commit('base', 'key'));
  expect(
    (await ask<MountsResponse>((done) => client.mounts({ ...at, key: 'key' }, done))).mounts,
  ).toHaveLength(1);
  await fails(status.FAILED_PRECONDITION, commit('name', 'view'));
  await fails(status.FAILED_PRECONDITION, commit('name', 'base'));
  await fails(
    status.FAILED_PRECONDITION,
    ask((done) => client.mounts({ ...at, key: 'base' }, done)),
  );
  await fails(status.UNIMPLEMENTED, commit('name', 'key', {}, 'other'));
  await commit('name', 'key', {}, 'base');
  await fails(status.NOT_FOUND, commit('name', 'key'));
  await fails(status.UNKNOWN, list('name=='));
  expect(await list('colour==red')).toEqual([]);
});

const update = (name: string, labels: Labels, updateMask: string[]) =>
  ask<{ info: Info | undefined }>((done) =>
    client.update(
      {
        ...at,
        info: { name, parent: 'x', kind: Kind.VIEW, createdAt: undefined, updatedAt: undefined, labels },
        updateMask,
      },
      done,
    ),
  );

test('labels are set and taken by masks, and nothing else is', async () => {
  await prepare('key', '', { keep: '1', go: '1' });
  const changed = await update('key', { 'a.b/c.d': '2' }, ['labels.go', 'labels.a.b/c.d']);
  expect(changed.info).toMatchObject({
    name: 'key',
    parent: '',
    kind: Kind.ACTIVE,
    labels: { keep: '1', 'a.b/c.d': '2' },
  });
  expect((await update('key', { all: '3' }, ['labels'])).info?.labels).toEqual({ all: '3' });
  await fails(status.INVALID_ARGUMENT, update('key', {}, ['parent']));
  await commit('name', 'key', { new: '4' });
  expect(await stat('name')).toMatchObject({ labels: { new: '4' } });
});

test('lists come in blocks of a hundred', async () => {
  for (let i = 0; i < 101; i++) await prepare(`k${i}`, '', { odd: String(i % 2) });
  expect((await list()).map(({ length }) => length)).toEqual([100, 1]);
  expect((await list('labels.odd==1,name~=k1')).flat()).toContain('k11');
  expect((await list('name==k1', 'name==k2')).flat().sort()).toEqual(['k1', 'k2']);
});

test('a layer that was committed for a chain ID is not prepared for it again', async () => {
  const ref = { [SNAPSHOT_REF]: 'sha256:one' };
  await prepare('one/1/extract', '', ref);
  // While it is only on its way, others may unpack it as well.
  await prepare('two/1/extract', '', ref);
  await commit('one/2/sha256:one', 'one/1/extract', ref);
  await fails(status.ALREADY_EXISTS, prepare('three/1/extract', '', ref), 'one/2/sha256:one');
  expect(await list(`labels."${SNAPSHOT_REF}"==sha256:one,parent==""`)).toEqual([
    ['one/2/sha256:one', 'two/1/extract'],
  ]);
  // The same layer on something else is another snapshot.
  await committed('base');
  await prepare('three/1/extract', 'base', ref);
});

describeWith(['overlay'], 'where the kernel has overlayfs', () => {
  test('a layer is unpacked through the kernel, in a way in which containerd mounts it, and run through us', async () => {
    await committed('base');
    const chainId = `sha256:${'1'.repeat(64)}`;
    const { mounts } = await prepare(`one/7/extract-17-aZ0_ ${chainId}`, 'base');
    expect(mounts.map(({ type, options }) => [type, options.at(-1)?.split('=')[0]])).toEqual([
      ['overlay', expect.stringMatching(/dir$/)],
      ['overlay', 'remount'],
    ]);
    // Asked for again, by whoever, it is mounted as any other; nor is the first layer, which is a folder, mounted at all.
    const { mounts: again } = await ask<MountsResponse>((done) =>
      client.mounts({ ...at, key: `one/7/extract-17-aZ0_ ${chainId}` }, done),
    );
    expect(again.map(({ type }) => type)).toEqual([expect.stringMatching(/^fuse3\./)]);
    expect((await prepare(`one/8/extract-17-aZ0_ ${chainId}`)).mounts.map(({ type }) => type)).toEqual([
      'bind',
    ]);
    expect((await prepare('one/9/box', 'base')).mounts.map(({ type }) => type)).toEqual([
      expect.stringMatching(/^fuse3\./),
    ]);
  });
});

test('each socket has what was made through it, whatever namespace its client names', async () => {
  await prepare('made here');
  await ask((done) =>
    client.prepare(
      { ...at, key: 'for kubernetes', parent: '', labels: {} },
      headers({ 'containerd-namespace': 'k8s.io' }),
      done,
    ),
  );
  await served.store.snapshots.prepare('by the command line', undefined);
  expect(await list()).toEqual([['for kubernetes', 'made here']]);

  const socket = `${served.socket}2`;
  const listening = await listenAt(socket);
  const other = new StoreServer({
    store: served.store,
    partition: socket,
    onFault: (error) => served.faults.push(error),
  });
  other.serve(listening.server);
  const theirs = new SnapshotsClient(`unix:${socket}`, insecure());
  try {
    expect(await everyMessage(theirs.list({ ...at, filters: [] }))).toEqual([]);
    await ask((done) => theirs.prepare({ ...at, key: 'made here', parent: '', labels: {} }, done));
    await fails(
      status.NOT_FOUND,
      ask((done) => theirs.remove({ ...at, key: 'for kubernetes' }, done)),
    );
  } finally {
    theirs.close();
    await other.stop();
    listening.release();
  }
  expect(await list()).toEqual([['for kubernetes', 'made here']]);
});

test('a message of more than the 4 MiB that grpc-js takes by itself is taken', async () => {
  const filters = Array.from({ length: 50 }, (_, i) => `name==${String(i).padEnd(100_000, 'x')}`);
  expect(await list(...filters)).toEqual([]);
});
