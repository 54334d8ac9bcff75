// Images that go round: what podman and umoci made of ours comes back, and what they wrote is ours, through a registry,
// layouts and archives. skopeo and registries are tried in test/registry.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Scratch } from '../program.js';
import { startDockerRegistry, stopAll } from '../registry/docker-registry.js';
import { describeWith } from '../requires.js';
import { listTree, treeDifferences } from '../tree.js';
import { runProgram } from './run-program.js';

/** A folder with an image in it: a link, a device, a folder that is not for all, a file of some size. */
function makeTree(folder: string): void {
  mkdirSync(join(folder, 'etc'), { recursive: true });
  writeFileSync(join(folder, 'etc/hello'), 'hello\n');
  writeFileSync(join(folder, 'large'), Buffer.alloc(2_000_000, 'large'));
  execFileSync(
    'sh',
    ['-ec', 'ln etc/hello etc/again; mknod null c 1 3; mkdir -m 0700 root; chown 7:8 etc/hello'],
    {
      cwd: folder,
    },
  );
}

function unpacked(store: Scratch, name: string): Map<string, string> {
  const folder = store.path(`unpacked-${name.replace(/\W/g, '-')}`);
  store.mica('unpack', name, folder);
  return listTree(folder);
}

const NEEDS = [
  'root',
  'program:podman',
  'program:umoci',
  'program:docker-registry',
  'program:getfattr',
] as const;

describeWith(NEEDS, 'an image of ours', () => {
  let base: string;
  let host: string;
  let ours: Scratch;
  let tree: Map<string, string>;
  beforeAll(async () => {
    base = mkdtempSync(join(tmpdir(), 'mica-interop-'));
    host = await startDockerRegistry(join(base, 'registry'));
    ours = new Scratch('interop');
    makeTree(ours.folder('tree'));
    ours.mica('image', 'create', 'made:1', '--from', ours.path('tree'));
    tree = listTree(ours.path('tree'));
  });
  afterAll(async () => {
    await stopAll();
    ours.remove();
    rmSync(base, { recursive: true, force: true });
  });

  /** podman with a storage of its own, whole trees that need no mount. */
  function podman(...words: string[]): Promise<string> {
    const places = [
      '--root',
      join(base, 'podman'),
      '--runroot',
      join(base, 'run'),
      '--storage-driver',
      'vfs',
    ];
    const quiet = ['--cgroup-manager', 'cgroupfs', '--events-backend', 'file'];
    return runProgram('podman', [...places, ...quiet, ...words]);
  }

  async function podmanTree(name: string): Promise<Map<string, string>> {
    const mount = (await podman('image', 'mount', name)).trim();
    try {
      return listTree(mount);
    } finally {
      await podman('image', 'umount', name);
    }
  }

  test('is pulled by podman from where it was pushed, and comes back as podman pushes it', async () => {
    ours.mica('push', 'made:1', `${host}/ours:1`);
    await podman('pull', '-q', '--tls-verify=false', `${host}/ours:1`);
    expect(treeDifferences(await podmanTree(`${host}/ours:1`), tree)).toEqual([]);
    await podman('push', '-q', '--tls-verify=false', `${host}/ours:1`, `${host}/podman:1`);
    const other = new Scratch('interop-other');
    try {
      other.mica('pull', `${host}/podman:1`);
      expect(treeDifferences(unpacked(other, `${host}/podman:1`), tree)).toEqual([]);
    } finally {
      other.remove();
    }
  });

  test.each([
    ['docker', 'docker-archive'],
    ['oci', 'oci-archive'],
  ])(
    'is loaded by podman from an archive (%s), and comes back from the one that podman saves',
    async (form, saved) => {
      const archive = ours.path(`${form}.tar`);
      ours.mica('tag', 'made:1', `localhost/${form}:1`);
      ours.mica('export', `localhost/${form}:1`, '-o', archive, '--format', form);
      await podman('load', '-q', '-i', archive);
      expect(treeDifferences(await podmanTree(`localhost/${form}:1`), tree)).toEqual([]);
      const back = ours.path(`${saved}.tar`);
      await podman('save', '-q', '--format', saved, '-o', back, `localhost/${form}:1`);
      ours.mica('import', back, '--name', `back-${form}:1`);
      expect(treeDifferences(unpacked(ours, `back-${form}:1`), tree)).toEqual([]);
    },
  );

  test('is changed by umoci in the layout that was exported, and comes back as umoci shows it', async () => {
    const layout = ours.path('layout');
    const named = `${layout}:changed`;
    const umoci = (...words: string[]) => runProgram('umoci', words);
    ours.mica('export', 'made:1', '-o', ours.path('whole.tar'));
    mkdirSync(layout);
    await runProgram('tar', ['-xf', ours.path('whole.tar'), '-C', layout]);
    const [{ annotations }] = JSON.parse(
      execFileSync('cat', [join(layout, 'index.json')]).toString(),
    ).manifests;
    const tag = annotations['org.opencontainers.image.ref.name'];
    await umoci('unpack', '--image', `${layout}:${tag}`, ours.path('bundle'));
    const rootfs = ours.path('bundle/rootfs');
    const change = 'rm large; echo new > etc/new; chmod 0711 root; mv etc/again etc/moved; mkfifo pipe';
    execFileSync('sh', ['-ec', change], { cwd: rootfs });
    await umoci('repack', '--image', named, ours.path('bundle'));
    await umoci('config', '--image', named, '--config.env', 'A=b', '--config.cmd', 'true');
    await umoci('rm', '--image', `${layout}:${tag}`);
    ours.mica('import', layout, '--name', 'changed:1');
    // What it unpacks, not what it packed: it cuts times, and knows links of files by their first names only.
    await umoci('unpack', '--image', named, ours.path('again'));
    const shown = unpacked(ours, 'changed:1');
    expect(treeDifferences(shown, listTree(ours.path('again/rootfs')))).toEqual([]);
    expect([shown.has('pipe'), shown.has('large'), shown.has('etc/new')]).toEqual([true, false, true]);
    const inspected = ours.mica('inspect', 'changed:1', '--json');
    expect(inspected).toContain('A=b');
    expect(JSON.parse(inspected).layers).toHaveLength(2);
  });
});
