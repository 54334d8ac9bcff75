// Read-write layers that are mounted, and dropped blobs of an image that goes on its way, as a shell has them.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { Mica } from '../src/cli/mica.js';

describeWith(['root', 'fuse'], 'layers on mounts', () => {
  let mica: Mica;
  let merged: string;
  const ok = (...words: string[]): string => {
    const ran = mica.run(words);
    expect(ran).toMatchObject({ code: 0 });
    return ran.out;
  };
  const inspect = (name: string) => JSON.parse(ok('--json', 'layer', 'inspect', name));

  beforeEach(() => {
    mica = new Mica();
    merged = mica.path('merged');
    for (const folder of ['merged', 'tree']) mkdirSync(mica.path(folder));
    writeFileSync(mica.path('tree', 'one'), 'image\n'.repeat(1000));
    ok('image', 'create', 'base:1', '--from', mica.path('tree'));
  });
  afterEach(() => {
    mica.run(['umount', '--all']);
    spawnSync('umount', ['-q', '-l', merged]);
    mica.remove();
  });

  it('a read-write layer is mounted as long as somebody uses its mount', () => {
    const [chain] = ok('layer', 'ls', '-q').trim().split('\n');
    ok('layer', 'create', 'web', chain!);
    expect(ok('layer', 'mount', 'web', merged)).toBe(`${merged}\n`);
    expect(ok('layer', 'mount', 'web', mica.path('tree'))).toBe(`${merged}\n`);
    expect(inspect('web')).toMatchObject({ mounts: 2, target: merged });
    expect(existsSync(`${merged}/etc/hosts`)).toBe(true);
    writeFileSync(`${merged}/one`, 'changed\n');
    expect(mica.run(['layer', 'release', 'web'])).toMatchObject({ code: 5 });
    ok('layer', 'umount', 'web');
    expect(readFileSync(`${merged}/one`, 'utf8')).toBe('changed\n');
    const made = ok('layer', 'commit', 'web').trim();
    expect(ok('cat', `${made}:one`)).toBe('changed\n');
    expect(mica.run(['ls', `${made}:etc`])).toMatchObject({ code: 3 });
    ok('layer', 'umount', 'web');
    expect(inspect('web')).toMatchObject({ mounts: 0 });
    expect(mica.run(['layer', 'umount', 'web'])).toMatchObject({ code: 5 });
    expect(ok('layer', 'release', 'web')).toBe('');
    expect(inspect(made).references).toBe(1);
  });

  it('an image whose blobs were dropped is exported as it was', () => {
    ok('export', 'base:1', '-o', mica.path('before.tar'));
    const [layer] = JSON.parse(ok('--json', 'inspect', 'base:1')).layers;
    expect(ok('layer', 'drop', layer.chainId)).toBe(`${layer.digest}\n`);
    expect(ok('content', 'ls', '-q')).not.toContain(layer.digest);
    ok('content', 'get', layer.digest, '-o', mica.path('blob'));
    ok('export', 'base:1', '-o', mica.path('after.tar'));
    expect(readFileSync(mica.path('after.tar')).equals(readFileSync(mica.path('before.tar')))).toBe(true);
  });
});
