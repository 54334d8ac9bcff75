// What the guides have people paste, given to the programs that are to read it.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { CONTAINERD_SOCKET, containerdConfig } from '../../src/cli/containerd-config.js';
import { Scratch, top } from '../program.js';
import { describeWith } from '../requires.js';
import { type Served, serveStore } from '../src/containerd/served.js';
import { CONTAINERD_NEEDS, type Containerd, removeContainerd, startContainerd } from './containerd.js';
import { tryProgram } from './run-program.js';

const unit = (name: string) => readFileSync(join(top, 'systemd', name), 'utf8');

describeWith(CONTAINERD_NEEDS, 'containerd', () => {
  let served: Served | undefined;
  let containerd: Containerd | undefined;
  let scratch: Scratch | undefined;
  afterEach(async () => {
    if (scratch !== undefined) await removeContainerd(containerd, scratch.path('c'));
    await served?.close();
    scratch?.remove();
  });

  test('starts with what --print-config adds to its configuration, for Kubernetes, too', async () => {
    scratch = new Scratch('set-up');
    served = await serveStore();
    const config = containerdConfig(served.socket, 'version = 2');
    containerd = await startContainerd(scratch.path('c'), { kubernetes: true, config });
    const plugins = await containerd.ctr('n', 'plugins', 'ls');
    expect(plugins).toMatch(/^io\.containerd\.snapshotter\.v1 +mica .* ok/m);
    expect(plugins).toMatch(/^io\.containerd\.grpc\.v1 +cri .* ok/m);
    await containerd.ctr('n', 'snapshots', '--snapshotter', 'mica', 'prepare', 'key');
    expect(await containerd.ctr('n', 'snapshots', '--snapshotter', 'mica', 'ls')).toMatch(/^key +Active/m);
  });
});

describeWith(['program:systemd-analyze'], 'systemd', () => {
  test('takes the units, which listen where containerd is told to look', async () => {
    const scratch = new Scratch('units');
    try {
      const program = join(top, 'bin/mica');
      const files = ['mica.service', 'mica.socket'].map((name) => {
        const file = scratch.path(name);
        writeFileSync(file, unit(name).replace('/usr/local/bin/mica', program));
        return file;
      });
      const done = await tryProgram('systemd-analyze', ['verify', '--man=no', ...files]);
      expect(done).toMatchObject({ code: 0, err: '' });
      expect(unit('mica.socket')).toContain(`ListenStream=${CONTAINERD_SOCKET}\n`);
      expect(unit('mica.service')).toContain(`--partition ${CONTAINERD_SOCKET}\n`);
    } finally {
      scratch.remove();
    }
  });
});
