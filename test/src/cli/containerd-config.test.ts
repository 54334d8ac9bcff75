import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { containerdConfig, proxyPlugins } from '../../../src/cli/containerd-config.js';
import { containerdCheck } from '../../../src/cli/engine-checks.js';
import { Mica } from './mica.js';

let folder: string;
let config: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mica-config-'));
  config = join(folder, 'config.toml');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('what is printed is read back, as a new file and at the end of one of either version', () => {
  const plugins = [{ name: 'mica', type: 'snapshot', address: '/run/x.sock' }];
  const fresh = containerdConfig('/run/x.sock', undefined);
  expect(proxyPlugins(fresh)).toEqual(plugins);
  expect(fresh).toMatch(/^version = 2$/m);
  for (const [present, table] of [
    ['version = 2\n[plugins]\n  [plugins."io.containerd.grpc.v1.cri".cni]\n', 'io.containerd.grpc.v1.cri'],
    ['version = 3\n', 'io.containerd.cri.v1.images'],
  ] as const) {
    const added = containerdConfig('/run/x.sock', present);
    expect(added).not.toMatch(/^version/m);
    expect(added).toContain(table);
    expect(proxyPlugins(present + added)).toEqual(plugins);
  }
});

test('a file that a shell has just made for what is printed is a new one', () => {
  expect(containerdConfig('/run/x.sock', '\n')).toBe(containerdConfig('/run/x.sock', undefined));
});

test('a table that is there already is not written a second time', () => {
  const second = `version = 2
[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".containerd] # of containerd config default
      snapshotter = "overlayfs"
`;
  const third =
    "version = 3\n[plugins]\n  [plugins.'io.containerd.cri.v1.images']\n    snapshotter = 'overlayfs'\n";
  for (const present of [second, third]) {
    const once = present + containerdConfig('/run/x.sock', present);
    const twice = once + containerdConfig('/run/y.sock', once);
    const tables = twice.split('\n').filter((line) => /^\s*\[/.test(line));
    const names = tables.map((line) => line.replace(/#.*|["'\s]/g, ''));
    expect(names).toEqual([...new Set(names)]);
    expect(proxyPlugins(twice)).toEqual([{ name: 'mica', type: 'snapshot', address: '/run/x.sock' }]);
    expect(once).toMatch(/^# {3}snapshotter = "mica"$/m);
  }
});

test.each([
  [
    'a dotted key',
    '[plugins."io.containerd.grpc.v1.cri"]\n  containerd.snapshotter = "overlayfs"\n',
    /^\[plugins/m,
  ],
  [
    'a table in braces',
    'proxy_plugins = { a = { type = "snapshot", address = "/a" } }\n',
    /^\[proxy_plugins/m,
  ],
  ['a value', '[plugins."io.containerd.grpc.v1.cri"]\n containerd = { snapshotter = "x" }\n', /^\[plugins/m],
  ['a dotted key at the top', 'proxy_plugins.mica.type = "snapshot"\n', /^\[proxy_plugins/m],
])('a table that is there as %s is not opened a second time', (_, text, table) => {
  const added = containerdConfig('/run/x.sock', `version = 2\n${text}`);
  expect(added).not.toMatch(table);
  expect(added.match(/^\[/gm)).toHaveLength(1);
});

test('other tables beside it and above it leave a table to be added', () => {
  const text = 'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\n  a.b = 1\n[proxy_plugins.other]\n';
  expect(containerdConfig('/run/x.sock', text).match(/^\[/gm)).toHaveLength(2);
});

test('of a file without a version, which is version 1, it says what to do for Kubernetes', () => {
  for (const text of ['oom_score = -999\n', '[grpc]\n  version = 2\n']) {
    const added = containerdConfig('/run/x.sock', text);
    expect(added).toMatch(/^\[proxy_plugins\.mica\]$/m);
    expect(added).toMatch(/^# .* Add version = 2 at its top/m);
    expect(added).not.toMatch(/^\[plugins/m);
  }
  expect(containerdConfig('/run/x.sock', '# nothing is set\n')).toMatch(/^version = 2$/m);
});

test('plugins are found as people write them', () => {
  const text = `
[proxy_plugins]
  [proxy_plugins."my-one"]
    type = 'snapshot' # ours
    address = "unix:///run/a.sock"
# [proxy_plugins.no]
[proxy_plugins.blobs]
type="content"
address="/run/b.sock"
[grpc]
  address = "/run/c.sock"
`;
  expect(proxyPlugins(text)).toEqual([
    { name: 'my-one', type: 'snapshot', address: '/run/a.sock' },
    { name: 'blobs', type: 'content', address: '/run/b.sock' },
  ]);
});

test('doctor says what of containerd’s set-up is missing', async () => {
  const asked = () => containerdCheck(config);
  expect(await asked()).toMatchObject({ ok: false, why: `there is no ${config}` });
  writeFileSync(config, 'version = 2\n');
  expect(await asked()).toMatchObject({
    ok: false,
    why: `no snapshotter behind a socket in ${config}`,
    fix: expect.stringContaining('mica serve --print-config containerd'),
  });
  const socket = join(folder, 'm.sock');
  writeFileSync(config, containerdConfig('', undefined));
  expect(await asked()).toMatchObject({ ok: false, why: 'snapshotter mica: it names no socket' });
  writeFileSync(config, containerdConfig(socket, undefined));
  expect(await asked()).toMatchObject({
    ok: false,
    why: `snapshotter mica: nobody serves at ${socket} (ENOENT)`,
    fix: expect.stringContaining(`mica serve --address ${socket}`),
  });
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  try {
    const found = `snapshotter mica at ${socket}`;
    expect(await containerdCheck(config, () => true)).toEqual({
      check: 'engine containerd',
      ok: true,
      why: found,
      fix: '',
    });
    // Binds need no program of fuse3.
    expect(await containerdCheck(config, () => false)).toMatchObject({
      ok: true,
      why: `${found}; for mica serve --mounts program there is no mount.fuse3 (apt install fuse3)`,
    });
  } finally {
    server.close();
  }
});

test('--print-config prints what to paste, and refuses what it does not know', () => {
  const mica = new Mica();
  try {
    const { out } = mica.run(['serve', '--print-config', 'containerd', '--address', 'unix:///run/x.sock']);
    expect(proxyPlugins(out)).toEqual([{ name: 'mica', type: 'snapshot', address: '/run/x.sock' }]);
    expect(mica.run(['serve', '--print-config', 'podman']).out).toMatch(
      /^mount_program = ".*mica-overlayfs"$/m,
    );
    expect(mica.run(['serve', '--print-config', 'rkt'])).toMatchObject({ code: 2 });
  } finally {
    mica.remove();
  }
});
