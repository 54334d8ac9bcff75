// ctr on our socket, where its services are ours alone, and on a containerd whose blobs and snapshots are both ours.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { copyTree } from '../../src/images/copy-tree.js';
import { withSnapshot } from '../../src/images/open-snapshot.js';
import { Scratch } from '../program.js';
import { startDockerRegistry, stopAll } from '../registry/docker-registry.js';
import { describeWith } from '../requires.js';
import { type Served, serveStore } from '../src/containerd/served.js';
import { readTar } from '../src/diff/tar-tools.js';
import { listTree, treeDifferences } from '../tree.js';
import { CONTAINERD_NEEDS, type Containerd, removeContainerd, startContainerd } from './containerd.js';
import { runProgram, tryProgram } from './run-program.js';

const NEEDS = [
  ...CONTAINERD_NEEDS,
  'fuse',
  'program:docker-registry',
  'program:skopeo',
  'program:umoci',
] as const;

/** An image of two layers, the second of which deletes, replaces and links; `base`/image.tar, and unpacked by umoci. */
function makeImage(scratch: Scratch): { archive: string; tree: Map<string, string> } {
  const tree = scratch.folder('tree');
  mkdirSync(join(tree, 'etc/d'), { recursive: true });
  for (const name of ['one', 'two', 'd/x']) writeFileSync(join(tree, 'etc', name), name);
  writeFileSync(join(tree, 'large'), Buffer.alloc(3_000_000, 'large'));
  execFileSync('ln', [join(tree, 'etc/one'), join(tree, 'etc/hard')]);
  scratch.mica('image', 'create', 'base:1', '--from', tree);
  const mount = scratch.folder('mount');
  scratch.mica('mount', 'base:1', mount, '--key', 'key');
  const change =
    'echo three > three; rm two; rm -r d; mkdir d; echo y > d/y; mv hard hard2; mknod null c 1 3';
  execFileSync('sh', ['-ec', change], { cwd: join(mount, 'etc') });
  scratch.mica('umount', mount);
  scratch.mica('commit', 'key', 'top', '--image', 'small:2');
  const archive = scratch.path('image.tar');
  scratch.mica('export', 'small:2', '-o', archive);
  execFileSync('skopeo', ['copy', '-q', `oci-archive:${archive}`, `oci:${scratch.path('oci')}:small`]);
  execFileSync('umoci', ['unpack', '--image', `${scratch.path('oci')}:small`, scratch.path('umoci')], {
    stdio: 'ignore',
  });
  return { archive, tree: listTree(scratch.path('umoci/rootfs')) };
}

describeWith(NEEDS, 'ctr', () => {
  let scratch: Scratch;
  let image: ReturnType<typeof makeImage>;
  let registry: string;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mica-ctr-'));
    scratch = new Scratch('ctr-image');
    image = makeImage(scratch);
    registry = await startDockerRegistry(join(folder, 'registry'));
  });
  afterAll(async () => {
    await stopAll();
    scratch.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  async function withServed(use: (served: Served) => Promise<void>): Promise<void> {
    const served = await serveStore({ driver: 'fuse' });
    try {
      await use(served);
      expect(served.faults).toEqual([]);
    } finally {
      await served.close();
    }
  }

  /** ctr at a socket of ours. */
  function directly({ socket }: Served, namespace: string) {
    const words = ['--address', socket, '--namespace', namespace];
    return {
      ctr: (...more: string[]) => runProgram('ctr', [...words, ...more]),
      fed: (input: string, ...more: string[]) =>
        runProgram('ctr', [...words, ...more], { input: Buffer.from(input) }),
      tried: (...more: string[]) => tryProgram('ctr', [...words, ...more]),
    };
  }

  /** The tree of the topmost snapshot of a socket, written to a folder. */
  async function topTree({ store, socket }: Served, into: string): Promise<Map<string, string>> {
    const { snapshots } = store.inPartition(socket);
    const parents = new Set<string | undefined>();
    const names: string[] = [];
    for await (const { name, parent, kind } of snapshots.walk()) {
      if (kind !== 'committed') continue;
      names.push(name);
      parents.add(parent);
    }
    const [top, ...others] = names.filter((name) => !parents.has(name));
    expect(others).toEqual([]);
    await withSnapshot(snapshots, top!, 'cannot copy', (tree) => copyTree(tree, '', into, 'cannot copy'));
    return listTree(into);
  }

  test('works on blobs, leases, namespaces and snapshots of ours', async () => {
    await withServed(async (served) => {
      const { ctr, fed, tried } = directly(served, 'n');
      const digest = 'sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03';
      await fed('hello\n', 'content', 'ingest', '--expected-size', '6', 'ref');
      expect(await ctr('content', 'get', digest)).toBe('hello\n');
      await ctr('content', 'label', digest, 'a=b');
      expect(await ctr('content', 'ls')).toMatch(new RegExp(`^${digest}\\s+6B.*a=b$`, 'm'));
      expect(await ctr('content', 'active')).not.toContain('ref');
      await ctr('content', 'rm', digest);
      expect((await tried('content', 'get', digest)).err).toContain('not found');
      await ctr('leases', 'create', '--id', 'lease', 'x=y');
      expect(await ctr('leases', 'ls')).toMatch(/^lease .*x=y/m);
      expect((await tried('leases', 'create', '--id', 'lease')).err).toContain('already exists');
      await ctr('leases', 'rm', '--sync', 'lease');
      await ctr('namespaces', 'create', 'other', 'a=b');
      await ctr('namespaces', 'label', 'other', 'c=d');
      expect(await ctr('namespaces', 'ls')).toMatch(/^other +a=b,c=d/m);
      await ctr('namespaces', 'rm', 'other');
      await ctr('snapshots', 'prepare', 'key');
      expect(await ctr('snapshots', 'ls')).toMatch(/^key +Active/m);
      await ctr('snapshots', 'rm', 'key');
      expect(await ctr('containers', 'ls', '-q')).toBe('');
      for (const words of [['tasks', 'ls'], ['plugins', 'ls'], ['version']]) {
        expect((await tried(...words)).err).toMatch(/Unimplemented|not implemented/);
      }
    });
  });

  test('imports, unpacks, pushes, pulls, exports and compares on services of ours alone', async () => {
    await withServed(async (served) => {
      const { ctr } = directly(served, 'n');
      await ctr('images', 'import', image.archive);
      expect(await ctr('images', 'check')).toMatch(/small:2 .* complete \(3\/3\) .* true/);
      expect(treeDifferences(await topTree(served, join(folder, 'direct')), image.tree)).toEqual([]);

      const there = `${registry}/small:2`;
      await ctr('images', 'tag', 'small:2', there);
      await ctr('images', 'push', '--plain-http', there);
      const other = directly(served, 'other');
      await other.ctr('images', 'pull', '--plain-http', there);
      // The archive has an index, which the registry was not sent.
      const imported = (await ctr('content', 'ls', '-q')).trim().split('\n');
      const pulled = (await other.ctr('content', 'ls', '-q')).trim().split('\n');
      expect([imported.length, pulled.length]).toEqual([5, 4]);
      expect(imported).toEqual(expect.arrayContaining(pulled));
      const archive = join(folder, 'exported.tar');
      await other.ctr('images', 'export', archive, there);
      expect(execFileSync('skopeo', ['inspect', '--raw', `oci-archive:${archive}`]).toString()).toContain(
        'layers',
      );

      const top = (await ctr('snapshots', 'ls')).split('\n').find((line) => / sha256:/.test(line))!;
      const [name = '', parent = ''] = top.split(/ +/);
      const layer = await tryProgram('ctr', [
        ...['--address', served.socket, '-n', 'n', 'snapshots', 'diff'],
        ...['--media-type', 'application/vnd.oci.image.layer.v1.tar', parent, name],
      ]);
      expect(layer).toMatchObject({ code: 0 });
      expect(readTar(layer.out).map(({ path }) => path)).toEqual(
        expect.arrayContaining([
          'etc/.wh.two',
          'etc/.wh.hard',
          'etc/d/.wh.x',
          'etc/d/y',
          'etc/three',
          'etc/hard2',
        ]),
      );

      await ctr('images', 'rm', '--sync', 'small:2', there);
      expect(await ctr('content', 'ls', '-q')).toBe('');
      expect((await other.ctr('content', 'ls', '-q')).trim().split('\n')).toEqual(pulled);
    });
  });

  test('has blobs and snapshots of a containerd with us, which leaves nothing when it has removed its images', async () => {
    await withServed(async (served) => {
      let containerd: Containerd | undefined;
      const home = mkdtempSync(join(tmpdir(), 'mica-ctd-'));
      try {
        const address = served.socket;
        containerd = await startContainerd(home, {
          proxies: { blobs: { type: 'content', address }, mica: { type: 'snapshot', address } },
        });
        const own = ['--snapshotter', 'mica'];
        await containerd.ctr('one', 'images', 'import', ...own, image.archive);
        expect(treeDifferences(await topTree(served, join(folder, 'proxied')), image.tree)).toEqual([]);
        const blobs = join(served.store.folders.content, 'blobs/sha256');
        const imported = readdirSync(blobs);
        expect(imported.length).toBeGreaterThanOrEqual(4);
        expect(existsSync(join(containerd.root, 'io.containerd.content.v1.content'))).toBe(false);
        await containerd.ctr('one', 'images', 'tag', 'small:2', `${registry}/again:1`);
        await containerd.ctr('one', 'images', 'push', '--plain-http', `${registry}/again:1`);
        await containerd.restart();
        await containerd.ctr('two', 'images', 'pull', '--plain-http', ...own, `${registry}/again:1`);
        expect(await containerd.ctr('two', 'images', 'check', ...own)).toMatch(
          /again:1 .* complete \(3\/3\) .* true/,
        );
        expect(imported).toEqual(expect.arrayContaining(readdirSync(blobs)));
        await containerd.ctr('one', 'images', 'rm', '--sync', 'small:2', `${registry}/again:1`);
        await containerd.ctr('two', 'images', 'rm', '--sync', `${registry}/again:1`);
        expect(readdirSync(blobs)).toEqual([]);
        expect(readdirSync(served.store.folders.snapshots)).toEqual([]);
      } finally {
        await removeContainerd(containerd, home);
      }
    });
  });
});
