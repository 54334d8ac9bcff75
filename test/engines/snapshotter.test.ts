// Debian's containerd with our server as its snapshotter: what its users do, and what is left when servers are killed.

import { mkdtempSync, readdirSync, rmSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { SnapshotsClient } from '../../src/containerd/gen/containerd/services/snapshots/v1/snapshots.js';
import { startDockerRegistry, stopAll } from '../registry/docker-registry.js';
import { describeWith } from '../requires.js';
import { ask, headers, insecure } from '../src/containerd/served.js';
import { listTree, treeDifferences } from '../tree.js';
import { CONTAINERD_NEEDS, type Containerd, removeContainerd, startContainerd } from './containerd.js';
import { DEBIAN, makeDebian } from './debian-for-containerd.js';
import { DEEP, deepNames, makeDeepImage } from './deep-image.js';
import { type MicaServer, startMicaServer } from './mica-server.js';
import { runProgram } from './run-program.js';

/** The kernel's most for overlayfs is a little more than that (500), containerd's own test uses as many. */
const LAYERS = 128;

const OURS = ['--snapshotter', 'ours'];

describeWith(
  [
    ...CONTAINERD_NEEDS,
    ...(['fuse', 'program:runc', 'program:umoci', 'program:skopeo', 'program:docker-registry'] as const),
    ...(['program:mmdebstrap', 'program:getfattr', 'program:busybox'] as const),
  ],
  'containerd with our snapshotter',
  () => {
    let folder = '';
    let images: { readonly layout: string; readonly archive: string };
    let deep = '';
    let wanted: Map<string, string>;
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'mica-sn-'));
      images = makeDebian(folder);
      deep = await makeDeepImage(folder, LAYERS);
      await runProgram('umoci', ['unpack', '--image', `${images.layout}:debian`, join(folder, 'umoci')]);
      // Times before 1970 containerd cuts by itself.
      const lines = [...listTree(join(folder, 'umoci/rootfs'))];
      wanted = new Map(lines.map(([path, line]) => [path, line.replace(/mtime=-\d+/, 'mtime=0')]));
      rmSync(join(folder, 'umoci'), { recursive: true });
      // As long as it takes where nobody has made the image yet.
    }, 900_000);
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    let server: MicaServer;
    let containerd: Containerd | undefined;
    async function begin(words: readonly string[] = [], collects = true): Promise<void> {
      server = await startMicaServer(join(folder, 'm'), ...words);
      containerd = await startContainerd(join(folder, 'c'), {
        collects,
        proxies: { ours: { type: 'snapshot', address: server.socket } },
      });
    }
    afterEach(async () => {
      await removeContainerd(containerd, join(folder, 'c'));
      containerd = undefined;
      await server.stop();
      await stopAll();
      rmSync(join(folder, 'm'), { recursive: true, force: true });
    });

    const ctr = (namespace: string, ...words: string[]) => {
      if (containerd === undefined) throw new Error('containerd is not running');
      return containerd.ctr(namespace, ...words);
    };
    const importImage = (namespace: string, archive: string) =>
      ctr(namespace, 'images', 'import', ...OURS, archive);
    const run = (namespace: string, image: string, id: string, script: string) =>
      ctr(namespace, 'run', '--rm', ...OURS, image, id, 'sh', '-c', script);
    const start = (namespace: string, image: string, id: string) =>
      ctr(namespace, 'run', '-d', ...OURS, image, id, 'sleep', '1000');
    const rootOf = (namespace: string, id: string) =>
      join(folder, 'c/state/io.containerd.runtime.v2.task', namespace, id, 'rootfs');
    async function end(namespace: string, id: string): Promise<void> {
      await ctr(namespace, 'task', 'delete', '--force', id);
      await ctr(namespace, 'container', 'delete', id);
    }
    /** containerd waits a while until it asks a server again that was gone. */
    async function reached(): Promise<void> {
      await untilDone(() => ctr('one', 'snapshots', ...OURS, 'prepare', 'probe'));
      await ctr('one', 'snapshots', ...OURS, 'delete', 'probe');
    }
    const kept = async () =>
      JSON.parse(await server.mica('snapshot', 'ls', '--all', '--json')) as { name?: string; key?: string }[];

    test('imports, runs, commits and removes the image, with the tree that umoci unpacks', async () => {
      // It collects when it is told to, because nothing refers to a view of ctr's.
      await begin(['--mounts', 'program'], false);
      await server.mica('--driver', 'fuse', 'snapshot', 'prepare', 'not containerd’s');
      await importImage('one', images.archive);
      await start('one', DEBIAN, 'box');
      expect(treeDifferences(listTree(rootOf('one', 'box')), wanted)).toEqual([]);
      const change =
        'echo new > /etc/new; rm -rf /opt; mv /usr/share/doc /usr/share/docs; chown 7:7 /etc/passwd; id -un';
      expect(await ctr('one', 'task', 'exec', '--exec-id', 'x', 'box', 'sh', '-c', change)).toBe('root\n');
      const changed = listTree(rootOf('one', 'box'));
      await ctr('one', 'task', 'delete', '--force', 'box');

      // What ctr calls commit, and a container on top of that.
      await ctr('one', 'snapshots', ...OURS, 'commit', 'changed', 'box');
      await ctr('one', 'container', 'delete', 'box');
      await ctr('one', 'snapshots', ...OURS, 'view', 'look', 'changed');
      const target = join(folder, 'm/look');
      await runProgram('mkdir', [target]);
      const said = (await ctr('one', 'snapshots', ...OURS, 'mounts', target, 'look')).trim().split(' ');
      const [, , type = '', source = '', , o = '', options = ''] = said;
      // As containerd hands it on.
      await runProgram('mount.fuse3', [source, target, o, options, '-t', type.replace(/^fuse3\./, '')]);
      try {
        expect(treeDifferences(listTree(target), changed)).toEqual([]);
      } finally {
        await runProgram('umount', [target]);
      }

      for (const name of ['look', 'changed']) await ctr('one', 'snapshots', ...OURS, 'delete', name);
      await ctr('one', 'images', 'delete', '--sync', DEBIAN);
      expect(await ctr('one', 'snapshots', ...OURS, 'ls')).not.toContain('Committed');
      // What containerd does not know it removes, but it is not shown what others made.
      expect((await kept()).map(({ key }) => key)).toEqual(['not containerd’s']);
      expect(readdirSync(join(server.root, 'snapshots')).filter((name) => /^\d+$/.test(name))).toHaveLength(
        1,
      );
    });

    test('pulls from a registry, into two namespaces that do not mind each other', async () => {
      await begin();
      const registry = await startDockerRegistry(join(folder, 'm/registry'));
      const image = `${registry}/h2/deep:latest`;
      const copy = ['copy', '-q', '--dest-tls-verify=false', `oci-archive:${deep}`, `docker://${image}`];
      await runProgram('skopeo', copy);
      const names = `${deepNames(LAYERS).join('\n')}\n`;
      for (const namespace of ['one', 'two']) {
        await ctr(namespace, 'images', 'pull', '--plain-http', ...OURS, image);
        expect(await run(namespace, image, 'box', 'ls /deep')).toBe(names);
      }
      await ctr('one', 'images', 'delete', '--sync', image);
      expect(await run('two', image, 'box', 'ls /deep')).toBe(names);
      await ctr('two', 'images', 'delete', '--sync', image);
      expect(await kept()).toEqual([]);
    });

    // ctr fetches all blobs before it unpacks; what others (CRI, nerdctl) ask for before they fetch is asked for here.
    test('a layer that one namespace has is neither fetched nor unpacked for another', async () => {
      await begin([], false);
      const client = new SnapshotsClient(`unix:${containerd?.address}`, insecure());
      const at = { snapshotter: 'ours' };
      const layers = ['1', '2'].map((digit) => `sha256:${digit.repeat(64)}`);
      const prepare = (namespace: string, parent: string, chainId: string) =>
        ask((done) => {
          const labels = { 'containerd.io/snapshot.ref': chainId };
          const wanted = { ...at, key: `extract-1-abcd ${chainId}`, parent, labels };
          client.prepare(wanted, headers({ 'containerd-namespace': namespace }), done);
        });
      try {
        for (const [i, name] of layers.entries()) {
          await prepare('one', layers[i - 1] ?? '', name);
          const labels = { 'containerd.io/snapshot.ref': name };
          const key = `extract-1-abcd ${name}`;
          const ofOne = headers({ 'containerd-namespace': 'one' });
          await ask((done) => client.commit({ ...at, name, key, labels, parent: '' }, ofOne, done));
        }
        for (const [i, name] of layers.entries()) {
          const there = prepare('two', layers[i - 1] ?? '', name);
          await expect(there).rejects.toMatchObject({ code: status.ALREADY_EXISTS });
        }
        expect(await ctr('two', 'snapshots', ...OURS, 'ls')).toContain(layers[1]);
        expect(await kept()).toHaveLength(2);
      } finally {
        client.close();
      }
    });

    test.each(['fuse', 'overlay'])('shows an image of 128 layers with the driver %s', async (driver) => {
      await begin(['--driver', driver]);
      await importImage('one', deep);
      const script = 'ls /deep; cat /deep/*; rm -r /deep; mkdir /deep; ls /deep; touch /deep/new; ls /deep';
      const names = deepNames(LAYERS);
      const content = names.map((name) => name.slice(1)).join('');
      expect(await run('one', DEEP, 'box', script)).toBe(`${names.join('\n')}\n${content}new\n`);
      // containerd removes the container's own when it comes to it.
      await untilDone(async () => {
        const there = await server.mica('snapshot', '--partition', server.socket, 'ls', '--json');
        expect(JSON.parse(there)).toHaveLength(LAYERS);
      });
    });

    test('an import that the server did not live to see is done by giving the command again', async () => {
      await begin();
      const importing = importImage('one', images.archive).then(
        () => 'done',
        () => 'failed',
      );
      await untilThere(join(server.root, 'snapshots'), 2);
      await server.kill();
      expect(await importing).toBe('failed');
      await server.start();
      const before = (await kept()).filter(({ name }) => name !== undefined);
      expect(before).toHaveLength(1);
      await reached();
      await importImage('one', images.archive);
      await start('one', DEBIAN, 'box');
      expect(treeDifferences(listTree(rootOf('one', 'box')), wanted)).toEqual([]);
      await end('one', 'box');
      await ctr('one', 'images', 'delete', '--sync', DEBIAN);
      expect(await kept()).toEqual([]);
      await server.mica('fsck');
    });

    const MOUNTS = ['bind', 'program'];
    test.each(MOUNTS)(
      'a mount (%s) goes on without the server; where it died the container is removed as any',
      async (how) => {
        await begin(['--mounts', how]);
        await importImage('one', deep);
        await start('one', DEEP, 'box');
        const inside = (...words: string[]) =>
          ctr('one', 'task', 'exec', '--exec-id', `x${words.length}`, 'box', ...words);
        await server.kill();
        expect(await inside('ls', '/deep')).toContain('f127');
        await server.start();
        await reached();
        const [mount] = JSON.parse(await server.mica('mounts', '--json')) as {
          pid: number;
          target: string;
        }[];
        const served = expect.stringContaining(join(folder, 'm/state/served/'));
        expect(mount?.target).toEqual(how === 'bind' ? served : rootOf('one', 'box'));
        process.kill(mount?.pid ?? 0, 'SIGKILL');
        await expect(inside('cat', '-u', '/deep/f127')).rejects.toThrow();
        await untilDone(() => end('one', 'box'));
        expect(await run('one', DEEP, 'box', 'ls /deep')).toContain('f127');
        await ctr('one', 'images', 'delete', '--sync', DEEP);
        expect(await kept()).toEqual([]);
      },
    );
  },
);

/** Resolves when `count` numbered folders are in `folder`. */
async function untilThere(folder: string, count: number): Promise<void> {
  const there = () => readdirSync(folder).filter((name) => /^\d+$/.test(name)).length >= count;
  const watcher = watch(folder);
  try {
    await new Promise<void>((resolve) => {
      watcher.on('change', () => there() && resolve());
      if (there()) resolve();
    });
  } finally {
    watcher.close();
  }
}

/** Tries until it works, each time as long as a program takes to fail. */
async function untilDone(work: () => Promise<unknown>): Promise<void> {
  for (let tries = 300; tries > 0; tries--) {
    const failed = await work().then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failed === undefined) return;
    if (tries === 1) throw failed;
  }
}
