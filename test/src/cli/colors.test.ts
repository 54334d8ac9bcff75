// Which streams are painted: a terminal, and what is forced to be; a pipe is text alone, in a CI as anywhere.

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mica } from './mica.js';

const PAINT = '\x1b[';

describe('colours', () => {
  let mica: Mica;
  let words: string[];
  beforeAll(() => {
    mica = new Mica();
    for (const name of ['low', 'up']) mkdirSync(join(mica.dir, name));
    writeFileSync(join(mica.dir, 'low', 'file'), 'text');
    words = ['explain', '--lower', join(mica.dir, 'low'), '--upper', join(mica.dir, 'up'), 'file'];
  });
  afterAll(() => mica.remove());

  it.each([
    ['a pipe', {}, false],
    ['a pipe in a CI', { CI: 'true' }, false],
    ['a pipe with FORCE_COLOR', { FORCE_COLOR: '1' }, true],
    ['a pipe with both', { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
  ])('%s', (_, env, isPainted) => {
    const { out, code } = mica.run(words, { env });
    expect(code).toBe(0);
    expect(out).toContain('<- this one');
    expect(out.includes(PAINT)).toBe(isPainted);
  });

  it.each([
    ['a terminal', { TERM: 'xterm' }, true],
    ['a terminal that knows none', { TERM: 'dumb' }, false],
    ['a terminal with NO_COLOR', { TERM: 'xterm', NO_COLOR: '1' }, false],
    ['a terminal with NO_COLOR that is empty', { TERM: 'xterm', NO_COLOR: '' }, true],
  ])('%s', (_, env, isPainted) => {
    const program = fileURLToPath(new URL('../../../bin/mica', import.meta.url));
    const line = [process.execPath, program, ...words].map((word) => `'${word}'`).join(' ');
    const { stdout } = spawnSync('script', ['--quiet', '--return', '--command', line, '/dev/null'], {
      env: { PATH: process.env['PATH'], HOME: mica.dir, ...env },
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(stdout).toContain('<- this one');
    expect(stdout.includes(PAINT)).toBe(isPainted);
  });
});
