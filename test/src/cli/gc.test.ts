// Collection, leases and containers by the command line.

import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mica } from './mica.js';

describe('mica gc', () => {
  let mica: Mica;
  const ok = (...words: string[]): string => {
    const ran = mica.run(words);
    expect(ran).toMatchObject({ code: 0 });
    return ran.out;
  };
  const json = (...words: string[]) => JSON.parse(ok('--json', ...words));
  const lines = (...words: string[]) =>
    ok(...words, '-q')
      .split('\n')
      .filter(Boolean);

  beforeAll(() => {
    mica = new Mica();
    mkdirSync(mica.path('tree'));
    writeFileSync(mica.path('tree', 'file'), 'lower\n');
    writeFileSync(mica.path('blob'), 'put by hand\n');
  });
  afterAll(() => mica.remove());

  it('keeps what was made by name when its image goes, and tells why', () => {
    ok('image', 'create', 'base:1', '--from', mica.path('tree'));
    const [top = ''] = lines('snapshot', 'ls');
    ok('snapshot', 'prepare', 'idle', top);
    ok('snapshot', 'prepare', 'work', top);
    ok('commit', 'work', 'mine');
    ok('snapshot', 'view', 'look', 'mine');
    const digest = ok('content', 'put', mica.path('blob')).trim();
    expect(lines('snapshot', 'ls')).toEqual(['idle', 'look', 'mine', top]);
    ok('rmi', 'base:1');
    expect(lines('snapshot', 'ls')).toEqual(['idle', 'look', 'mine', top]);
    expect(lines('content', 'ls')).toEqual([digest]);
    const { goes, stays } = json('gc', '--dry-run');
    expect(goes).toEqual([]);
    const base = stays.find(({ name }: { name: string }) => name === top);
    expect(base.path.map(({ kind }: { kind: string }) => kind)).toEqual(['label', 'snapshot', 'snapshot']);
    for (const name of ['idle', 'look', 'mine']) ok('snapshot', 'rm', name);
    expect(json('gc', '--dry-run').goes).toMatchObject([{ kind: 'snapshot', name: top }]);
    expect(lines('snapshot', 'ls')).toEqual([top]);
    expect(json('gc')).toMatchObject({ removed: [{ kind: 'snapshot', name: top }] });
    expect(lines('snapshot', 'ls')).toEqual([]);
    ok('content', 'rm', digest);
    expect(json('gc')).toEqual({
      removed: [{ kind: 'file', namespace: '', name: digest, size: 12 }],
      size: 12,
    });
  });

  it('takes what a lease held when the lease is removed', () => {
    ok('snapshot', 'prepare', 'held', '--label', 'containerd.io/gc.root=');
    expect(ok('lease', 'create', 'l', '--expire', '1h', '--label', 'a=b')).toBe('l\n');
    ok('lease', 'add', 'l', 'snapshot:held');
    expect(lines('gc')).toEqual([]);
    expect(json('lease', 'ls', '--filter', 'labels.a==b')).toMatchObject([
      { id: 'l', resources: [{ type: 'snapshots/mica', id: 'held' }] },
    ]);
    expect(lines('lease', 'ls', '--filter', 'id==x')).toEqual([]);
    expect(mica.run(['lease', 'create', 'l'])).toMatchObject({ code: 4 });
    expect(mica.run(['lease', 'add', 'l', 'held'])).toMatchObject({ code: 2 });
    expect(mica.run(['lease', 'rm', 'x'])).toMatchObject({ code: 3 });
    expect(mica.run(['snapshot', 'rm', 'held'])).toMatchObject({
      code: 5,
      err: 'mica: cannot remove snapshot held: the lease l holds it\nhint: mica lease rm l\n',
    });
    expect(ok('lease', 'rm', 'l')).toBe('l\n');
    expect(lines('snapshot', 'ls')).toEqual([]);
  });

  it('keeps the snapshot of a container as long as its row', () => {
    ok('snapshot', 'prepare', 'rootfs', '--label', 'containerd.io/gc.root=');
    writeFileSync(mica.path('spec'), Buffer.of(0, 255, 10));
    const made = json('container', 'create', 'c', '--snapshot', 'rootfs', '--spec', mica.path('spec'));
    expect(made).toMatchObject({
      id: 'c',
      snapshotter: 'mica',
      snapshotKey: 'rootfs',
      spec: { value: 'AP8K' },
    });
    expect(mica.run(['container', 'create', 'c'])).toMatchObject({ code: 4 });
    expect(mica.run(['container', 'create', 'd', '--snapshot', 'none'])).toMatchObject({ code: 3 });
    expect(ok('container', 'label', 'c', 'a=b')).toBe('a=b\n');
    expect(lines('container', 'ls', '--filter', 'labels.a')).toEqual(['c']);
    expect(json('container', 'info', 'c')).toMatchObject({ labels: { a: 'b' }, created: made.created });
    expect(lines('gc')).toEqual([]);
    expect(mica.run(['snapshot', 'rm', 'rootfs'])).toMatchObject({ code: 5 });
    expect(mica.run(['namespace', 'rm', 'default'])).toMatchObject({ code: 5 });
    ok('container', 'rm', 'c');
    expect(lines('gc')).toEqual(['rootfs']);
    const half = [
      'content',
      'put',
      mica.path('blob'),
      '--ref',
      'half',
      '--expected',
      `sha256:${'0'.repeat(64)}`,
    ];
    expect(mica.run(half)).toMatchObject({ code: 5 });
    expect(mica.run(['namespace', 'rm', 'default'])).toMatchObject({
      code: 5,
      err: expect.stringContaining('hint: mica -n default content abort half\n'),
    });
    ok('content', 'abort', 'half');
    ok('namespace', 'rm', 'default');
  });
});
