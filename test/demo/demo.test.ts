// The main job as a child process, as `npm start` runs it. Its scratch folders lie in a folder of their own here,
// which must be empty again however it ended.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeWith } from '../requires.js';

const BIN = fileURLToPath(new URL('../../bin/mica', import.meta.url));
const LIMIT_MS = 240_000;

let dir = '';
let scratch = '';

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mica-demo-test-'));
  scratch = join(dir, 'tmp');
  mkdirSync(scratch);
  chmodSync(dir, 0o755);
  chmodSync(scratch, 0o1777);
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

function environment(): NodeJS.ProcessEnv {
  const { MICA_ROOT: _root, MICA_STATE: _state, ...env } = process.env;
  return { ...env, TMPDIR: scratch, HOME: dir, NO_COLOR: '1' };
}

function demo(words: readonly string[], input = '') {
  const run = { env: environment(), input, encoding: 'utf8', timeout: LIMIT_MS } as const;
  return spawnSync(process.execPath, [BIN, 'demo', ...words], run);
}

/** Nothing of a demo is left: no file, no mount. */
function expectNothingLeft(): void {
  expect(readdirSync(scratch)).toEqual([]);
  expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(scratch);
}

/** A small image with one place for each of the changes. */
function smallImage(): string {
  const tree = join(dir, 'tree');
  for (const folder of ['a/plain', 'a/deep/inner', 'a/files'])
    mkdirSync(join(tree, folder), { recursive: true });
  for (const file of [
    'a/plain/1',
    'a/plain/2',
    'a/deep/inner/1',
    'a/deep/2',
    'a/files/README',
    'a/files/LICENSE',
    'a/files/big',
  ]) {
    writeFileSync(join(tree, file), `this is ${file}\n`.repeat(file.endsWith('big') ? 1000 : 1));
  }
  const archive = join(dir, 'small.tar');
  const store = ['--root', join(dir, 'root'), '--state', join(dir, 'state')];
  for (const words of [
    ['image', 'create', 'small:1', '--from', tree],
    ['export', 'small:1', '-o', archive],
  ]) {
    const ran = spawnSync(process.execPath, [BIN, ...store, ...words], {
      env: environment(),
      encoding: 'utf8',
    });
    expect(ran).toMatchObject({ status: 0 });
  }
  return archive;
}

describeWith(['fuse'], 'mica demo', () => {
  it(
    'verifies thousands of real files through the union and leaves nothing behind',
    () => {
      const ran = demo([]);
      expect(ran).toMatchObject({ status: 0 });
      const last = ran.stdout.trimEnd().split('\n').at(-1) ?? '';
      expect(last).toMatch(
        /^verified: [\d,]+ entries of the mount, the committed snapshot, the re-imported mount .*\(fuse, \/dev\/fuse\)$/,
      );
      for (const sign of ['copy-up:', 'whiteout: a device 0:0', 'opaque mark: opaque', 'redirect to']) {
        expect(ran.stdout).toContain(sign);
      }
      expectNothingLeft();
    },
    LIMIT_MS,
  );

  it('takes a given image', () => {
    const ran = demo([smallImage()]);
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    expect(ran.stdout).toMatch(/^verified: /m);
    expect(ran.stdout).not.toContain('no place for it');
    expectNothingLeft();
  });

  it('is a JSON object a line with --json, the verdict last', () => {
    const ran = demo([smallImage(), '--json']);
    const lines = ran.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.slice(0, -1).every((line) => typeof line['step'] === 'number')).toBe(true);
    expect(lines.at(-1)).toMatchObject({ verified: true, driver: 'fuse', transport: 'device' });
  });

  it('with --teach asks before each step and shows the upper before and after', () => {
    const ran = demo([smallImage(), '--teach'], 'none\nabout a hundred\n');
    expect(ran).toMatchObject({ status: 0 });
    expect(ran.stderr).toContain('You said: none. Let us see.');
    expect(ran.stderr).toContain('the upper folder before: 0 entries');
    expect(ran.stderr).toContain('[whiteout: a device 0:0]');
    expectNothingLeft();
  });

  it('with --teach takes its guesses from a pipe, however early they come', () => {
    const ran = demo([smallImage(), '--teach'], 'none\n'.repeat(5));
    expect({ ...ran, last: ran.stdout.trimEnd().split('\n').at(-1) }).toMatchObject({
      status: 0,
      last: expect.stringMatching(/^verified: /),
    });
    expect(ran.stderr.match(/You said: none\./g)).toHaveLength(5);
    expectNothingLeft();
  });

  it('says what it shows without a union, and exits with 6', () => {
    const ran = demo([smallImage(), '--driver', 'native']);
    expect(ran).toMatchObject({ status: 6 });
    expect(ran.stdout).toMatch(/^demonstrated without a union: \d+ entries equal a plain copy/m);
    expectNothingLeft();
  });

  it('a missing image is one line and exit code 3', () => {
    const ran = demo([join(dir, 'nope.tar')]);
    expect(ran).toMatchObject({ status: 3, stdout: '' });
    expect(ran.stderr).toMatch(/^mica: cannot import .*\n/);
    expectNothingLeft();
  });

  it('leaves nothing behind when it is interrupted while its mount is live', async () => {
    const child = spawn(process.execPath, [BIN, 'demo', smallImage(), '--teach'], {
      env: environment(),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let told = '';
    const mounted = new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        told += chunk.toString();
        if (told.includes('mount it, writable')) resolve();
      });
    });
    // Two steps, import and mount; then it waits for the third guess.
    child.stdin.write('\n\n');
    await mounted;
    child.kill('SIGINT');
    const [code] = (await once(child, 'exit')) as [number | null];
    expect(code).toBe(130);
    expectNothingLeft();
  });
});

describeWith(
  ['root', 'fuse for all', 'program:setpriv', 'program:fusermount3'],
  'mica demo of an ordinary user',
  () => {
    it(
      'verifies through fusermount3',
      () => {
        const words = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, BIN, 'demo'];
        const ran = spawnSync('setpriv', words, { env: environment(), encoding: 'utf8', timeout: LIMIT_MS });
        expect(ran).toMatchObject({ status: 0 });
        expect(ran.stdout).toMatch(/^verified: .*\(fuse, \/dev\/fuse\)$/m);
        expectNothingLeft();
      },
      LIMIT_MS,
    );
  },
);
