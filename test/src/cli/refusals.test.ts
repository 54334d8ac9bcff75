// Words that are refused leave the store as it was.

import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { top } from '../../program.js';
import { Mica } from './mica.js';

const bin = [process.execPath, join(top, 'bin/mica')];

describe('refused commands', () => {
  let mica: Mica;
  beforeAll(() => {
    mica = new Mica();
    mkdirSync(mica.path('tree'));
    writeFileSync(mica.path('file'), 'hello\n');
    expect(mica.run(['snapshot', 'prepare', 'key'])).toMatchObject({ code: 0 });
  });
  afterAll(() => mica.remove());

  it.each([
    ['a bad name of an image', ['--image', 'a b']],
    ['a variable without =', ['--image', 'a:1', '--env', 'X']],
    ['a command that is no JSON', ['--image', 'a:1', '--cmd', '["x"']],
  ])('commit with %s commits nothing', (_, words) => {
    expect(mica.run(['commit', 'key', 'name', ...words])).toMatchObject({ code: 2, out: '' });
    const [snapshot, ...others] = JSON.parse(mica.run(['--json', 'snapshot', 'ls']).out);
    expect(others).toEqual([]);
    expect(snapshot).toMatchObject({ key: 'key', kind: 'active' });
  });

  it('trace --only with a name that no event has tells which there are', () => {
    const { code, err } = mica.run(['trace', mica.path('tree'), '--only', 'copy-up,bogus']);
    expect(code).toBe(2);
    expect(err).toContain('no event is called bogus');
    expect(err).toMatch(/hint: .*copy-up.*, lookup/);
    for (const none of ['', ',']) {
      const refused = mica.run(['trace', mica.path('tree'), '--only', none]);
      expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('it names no event') });
    }
    expect(mica.run(['trace', mica.path('tree'), '--only', 'copy-up,lookup']).code).toBe(3);
  });

  it('explain with an upper and without a lower says what is missing, and looks nowhere else', () => {
    const words = ['explain', '--upper', mica.path('tree'), 'key:/'];
    expect(mica.run(words)).toMatchObject({
      code: 2,
      out: '',
      err: 'mica: cannot explain key:/: --upper and --work go with --lower, which is missing\n',
    });
  });

  it('explain says of a symlink that a layer has one', () => {
    symlinkSync('file', mica.path('tree', 'link'));
    const { out } = mica.run(['explain', '--lower', mica.path('tree'), 'link']);
    expect(out).toMatch(/▼ lower .* symlink {2}4 B /);
  });

  it.runIf(process.platform === 'linux').each([
    ['explain', ['explain', '--lower', 'tree', 'd']],
    ['a list', ['snapshot', 'ls']],
  ])('%s says in a line that stdout has no room', (_, words) => {
    const onFull = (...more: string[]) =>
      spawnSync('sh', ['-c', 'exec "$0" "$@" > /dev/full', ...bin, ...more, ...words], {
        cwd: mica.dir,
        env: { ...process.env, MICA_ROOT: mica.root, MICA_STATE: mica.state },
        encoding: 'utf8',
        timeout: 60_000,
      });
    const message = 'cannot write to stdout: no space left on device';
    expect(onFull()).toMatchObject({ status: 1, stderr: `mica: ${message}\n` });
    expect(JSON.parse(onFull('--json').stderr)).toEqual({ error: { code: 1, kind: 'failed', message } });
  });

  // What a command line has of bytes is known on Linux alone; names are UTF-8 on macOS.
  it.runIf(process.platform === 'linux')('a word that is not UTF-8 is refused, not taken for another', () => {
    const explained = (word: string) => {
      const mine = `exec "$0" "$@" "$(printf '${word}')"`;
      const words = [...bin, 'explain', '--lower', mica.path('tree')];
      return spawnSync('sh', ['-c', mine, ...words], { encoding: 'utf8', timeout: 60_000 });
    };
    expect(explained('d/a\\377b')).toMatchObject({
      status: 2,
      stdout: '',
      stderr:
        "mica: cannot take $'d/a\\xffb': it is not UTF-8\nhint: words are UTF-8; what has another name is reached through its folder\n",
    });
    // The character itself, with which Node replaces such bytes.
    writeFileSync(mica.path('tree', 'a\uFFFDb'), '');
    expect(explained('a\\357\\277\\275b')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^a\uFFFDb /),
    });
  });

  it('commit --image of a key that is committed by now says how to go on', () => {
    mica.run(['snapshot', 'prepare', 'first']);
    mica.run(['commit', 'first', 'second']);
    expect(mica.run(['commit', 'first', 'second', '--image', 'a:1'])).toMatchObject({
      code: 3,
      err: expect.stringContaining('hint: second is committed already: mica commit second second --image'),
    });
    expect(mica.run(['commit', 'second', 'second', '--image', 'a:1'])).toMatchObject({
      code: 0,
      out: 'a:1\n',
    });
  });

  it.each([
    ['a key of plain folders, which have no snapshot', ['--lower', 'tree', '--key', 'k', 'mnt']],
    ['a second folder beside plain ones', ['--lower', 'tree', 'tree', 'mnt']],
    ['an upper without plain folders', ['--upper', 'tree', 'key', 'mnt']],
  ])('mount with %s mounts nothing', (_, words) => {
    expect(mica.run(['mount', ...words])).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining('hint: mica mount --help'),
    });
  });

  it('a blob that is there already is exit code 4, and leaves no ingest', () => {
    expect(mica.run(['content', 'put', mica.path('file')])).toMatchObject({ code: 0 });
    expect(mica.run(['content', 'put', mica.path('file')])).toMatchObject({
      code: 4,
      err: expect.stringMatching(/ is in this namespace already\n$/),
    });
    expect(mica.run(['content', 'ingests', '-q'])).toMatchObject({ code: 0, out: '' });
  });

  it('a file to put that does not exist is exit code 3', () => {
    expect(mica.run(['content', 'put', mica.path('none')])).toMatchObject({
      code: 3,
      err: expect.stringMatching(/there is no such file\n$/),
    });
  });
});
