// `mica diff` from the shell, where nothing is mounted.

import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import * as zlib from 'node:zlib';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/digest.js';
import { missing } from '../../requires.js';
import { readTar } from '../diff/tar-tools.js';
import { Mica } from './mica.js';

const EPOCH = 1_600_000_000;

describe('mica diff', () => {
  let mica: Mica;
  const digests = new Set<string>();
  const run = (...words: string[]) => mica.run(words);
  const out = (...words: string[]) => {
    const { code, out, err } = run(...words);
    if (code !== 0) throw new Error(err);
    return out;
  };
  beforeAll(() => {
    mica = new Mica();
    for (const name of ['old', 'new']) {
      mkdirSync(mica.path(name, 'd'), { recursive: true });
      writeFileSync(mica.path(name, 'd', 'same'), 'same');
      writeFileSync(mica.path(name, name), name);
      for (const path of ['d/same', name, 'd'])
        utimesSync(mica.path(name, path), 1_500_000_000, 1_500_000_000);
    }
    out('image', 'create', 'old:1', '--from', mica.path('old'));
    out('image', 'create', 'new:1', '--from', mica.path('new'));
  });
  afterAll(() => mica.remove());

  it('takes two plain folders, an image and a folder, two snapshots', () => {
    const changes = 'A new\nD old\n';
    expect(out('diff', mica.path('new'), mica.path('old'))).toBe(changes);
    expect(out('diff', mica.path('new'), 'old:1')).toBe(changes);
    expect(out('diff', 'image:new:1', mica.path('old'))).toBe(changes);
    const tops = ['new:1', 'old:1'].map(
      (name) => JSON.parse(out('--json', 'inspect', name)).layers[0].chainId,
    );
    expect(out('diff', tops[0], tops[1])).toBe(changes);
    expect(out('diff', mica.path('old'), 'old:1')).toBe('');
    expect(JSON.parse(out('--json', 'diff', 'new:1', mica.path('old')))).toEqual([
      { op: 'A', path: 'new', kind: 'file', size: 3 },
      { op: 'D', path: 'old', kind: 'file', size: 3 },
    ]);
    expect(out('diff', '--stat', mica.path('new'), mica.path('old'))).toBe(
      '1 added, 0 modified, 1 deleted, 3 B\n',
    );
    expect(run('diff', mica.path('new'))).toMatchObject({
      code: 2,
      err: expect.stringContaining('no parent'),
    });
    expect(run('diff', mica.path('none'), mica.path('old'))).toMatchObject({ code: 3 });
  });

  it('says of two images first in what they differ beside their trees', () => {
    out('snapshot', 'prepare', 'work', JSON.parse(out('--json', 'inspect', 'old:1')).layers[0].chainId);
    out('cp', mica.path('new', 'new'), 'work:/added');
    const words = [
      '--image',
      'made:1',
      '--env',
      'A=1',
      '--label',
      'x.y=z',
      '--workdir',
      '/d',
      '--cmd',
      '["a","b"]',
    ];
    out('commit', 'work', 'made', ...words);
    const layers = JSON.parse(out('--json', 'inspect', 'made:1')).layers;
    const lines = out('diff', 'made:1', 'old:1').split('\n');
    expect(lines.filter((line) => !line.startsWith('M config created'))).toEqual([
      `A layer ${layers[1].diffId}`,
      'A config Cmd: ["a","b"]',
      'A config Env.A: 1',
      'A config Labels.x.y: z',
      'A config WorkingDir: /d',
      'A added',
      '',
    ]);
    const back = JSON.parse(out('--json', 'diff', 'old:1', 'made:1'));
    expect(back).toContainEqual({ op: 'D', part: 'layer', name: layers[1].diffId });
    expect(back).toContainEqual({ op: 'D', part: 'config', name: 'Env.A', from: '1' });
    expect(back.at(-1)).toEqual({ op: 'D', path: 'added', kind: 'file', size: 3 });
    const arm = [
      'image',
      'create',
      'arm:1',
      '--from',
      mica.path('old'),
      '--platform',
      'linux/arm64',
      '--no-unpack',
    ];
    out(...arm);
    const amd = arm.map((word) => word.replace('arm:1', 'amd:1').replace('arm64', 'amd64'));
    out(...amd);
    expect(out('diff', 'arm:1', 'amd:1')).toContain('M platform: linux/amd64 -> linux/arm64\n');
  });

  it.each(['gzip', 'zstd', 'none'] as const)(
    'writes the layer compressed with %s, always the same inside',
    (kind) => {
      if (kind === 'zstd' && missing(['program:zstd']) !== undefined) return;
      const file = mica.path(`layer.${kind}`);
      expect(out('diff', '--tar', '--compression', kind, '-o', file, 'new:1', 'old:1')).toBe(`${file}\n`);
      const bytes = readFileSync(file);
      const tar =
        kind === 'gzip'
          ? gunzipSync(bytes)
          : kind === 'zstd'
            ? execFileSync('zstd', ['-dc'], { input: bytes })
            : bytes;
      expect(readTar(tar).map(({ path }) => path)).toEqual(['.wh.old', 'new']);
      digests.add(digestOf(tar));
      expect(digests.size).toBe(1);
    },
  );

  it('says how to get zstd where nothing here writes it', () => {
    // Node compresses by itself from 22.15 on.
    if ('createZstdCompress' in zlib) return;
    const words = ['diff', '--tar', '--compression', 'zstd', '-o', mica.path('no.zst'), 'new:1', 'old:1'];
    expect(mica.run(words, { env: { PATH: '/nowhere' } })).toMatchObject({
      code: 6,
      err: expect.stringContaining('hint: install the package zstd'),
    });
    expect(existsSync(mica.path('no.zst'))).toBe(false);
    // And before the key is committed, which nothing takes back.
    out('snapshot', 'prepare', 'stays');
    const commit = ['commit', 'stays', 'gone', '--image', 'none:1', '--compression', 'zstd'];
    expect(mica.run(commit, { env: { PATH: '/nowhere' } })).toMatchObject({ code: 6 });
    expect(JSON.parse(out('--json', 'snapshot', 'info', 'stays'))).toMatchObject({ kind: 'active' });
    expect(run(...commit)).toMatchObject({ code: missing(['program:zstd']) === undefined ? 0 : 6 });
  });

  it('writes no time after SOURCE_DATE_EPOCH, in a layer and in an image of its own digest', () => {
    const env = { SOURCE_DATE_EPOCH: String(EPOCH) };
    const late = mica.path('late');
    mkdirSync(late);
    const make = (name: string) => {
      writeFileSync(`${late}/file`, 'x');
      chmodSync(`${late}/file`, 0o600);
      const words = ['image', 'create', name, '--from', late, '--compression', 'none'];
      expect(mica.run(words, { env })).toMatchObject({ code: 0 });
      return JSON.parse(out('--json', 'inspect', name));
    };
    const first = make('epoch:1');
    rmSync(`${late}/file`);
    const second = make('epoch:2');
    expect(second.digest).toBe(first.digest);
    expect(first.config).toMatchObject({ created: '2020-09-13T12:26:40.000Z' });
    expect(first.manifest.layers[0].mediaType).toBe('application/vnd.oci.image.layer.v1.tar');
    out('snapshot', 'prepare', 'late', first.layers[0].chainId);
    out('cp', mica.path('new', 'new'), 'late:/added');
    const tar = mica.path('late.tar');
    expect(mica.run(['diff', 'late', '--tar', '-o', tar], { env })).toMatchObject({ code: 0 });
    expect(
      readTar(readFileSync(tar)).map(({ path, mtime: { sec } }) => [path, Math.max(sec, EPOCH)]),
    ).toEqual([['added', EPOCH]]);
    const committed = mica.run(['commit', 'late', 'late-done', '--image', 'epoch:3'], { env });
    expect(committed).toMatchObject({ code: 0, out: 'epoch:3\n' });
    // What the image shows has the times of its layer, not those of the snapshot.
    expect(out('diff', 'image:epoch:3', 'snapshot:late-done')).toBe('');
    expect(mica.run(['diff', 'late-done'], { env: { SOURCE_DATE_EPOCH: 'now' } })).toMatchObject({ code: 0 });
    const wrong = ['diff', 'late-done', '--tar', '-o', tar];
    expect(mica.run(wrong, { env: { SOURCE_DATE_EPOCH: 'now' } })).toMatchObject({ code: 2 });
  });

  it('of a snapshot that is a whole tree lists what changed since its parent', () => {
    const words = (...rest: string[]) => out('--root', mica.path('whole'), '--driver', 'native', ...rest);
    words('image', 'create', 'old:1', '--from', mica.path('old'));
    const parent = JSON.parse(words('--json', 'inspect', 'old:1')).layers[0].chainId;
    const made = JSON.parse(words('--json', 'snapshot', 'prepare', 'key', parent));
    expect(made.form).toBe('full');
    words('cp', mica.path('new', 'new'), 'key:/d/added');
    expect(words('diff', 'key')).toBe('M d\nA d/added\n');
  });

  it('refuses words that do not go together', () => {
    expect(run('diff', 'new:1', 'old:1', '--compression', 'gzip')).toMatchObject({ code: 2 });
    expect(run('diff', 'new:1', 'old:1', '--tar', '--stat')).toMatchObject({ code: 2 });
    expect(run('diff', 'new:1', 'old:1', '-o', 'x')).toMatchObject({ code: 2 });
    expect(run('diff', 'new:1', 'old:1', '--tar', '--compression', 'xz')).toMatchObject({ code: 2 });
  });
});
