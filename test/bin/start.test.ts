// How a part of the program is started, in a tree of its own with a part that says where it came from.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { top } from '../program.js';

interface Start {
  bundlePath(part: string): string;
  compiledPath(path: string): string;
  compile(path: string): { createCachedData(): Buffer };
}

describe('a part of the program', () => {
  let base: string;
  let start: Start;

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'mica-start-'));
    cpSync(join(top, 'bin'), join(base, 'bin'), { recursive: true });
    for (const folder of ['dist/src/cli', 'dist/bundle']) mkdirSync(join(base, folder), { recursive: true });
    writeFileSync(join(base, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(base, 'dist/src/cli/main.js'), main("'modules'"));
    start = createRequire(import.meta.url)(join(base, 'bin/start.cjs')) as Start;
  });

  afterEach(() => rmSync(base, { recursive: true, force: true }));

  it('is its bundle where there is one', () => {
    bundle();
    compiled(-1);
    expect(mica()).toBe('bundle');
  });

  it('is its bundle where nothing tells when its modules were compiled', () => {
    bundle();
    expect(mica()).toBe('bundle');
  });

  it('is its modules where they were compiled after the bundle', () => {
    bundle();
    compiled(+1);
    expect(mica()).toBe('modules');
  });

  it('is its modules where a bundle has no compiled form', () => {
    bundle();
    rmSync(start.compiledPath(start.bundlePath('mica')));
    expect(mica()).toBe('modules');
  });

  it('is its bundle where the compiled form is of another V8', () => {
    bundle();
    writeFileSync(start.compiledPath(start.bundlePath('mica')), 'other');
    expect(mica()).toBe('bundle');
  });

  it('tells a line of its bundle as the line of an error', () => {
    bundle(`\n\nnew Error('x').stack.split('\\n')[1].replace(/.*bundle.mica.cjs:/, '')`);
    expect(mica()).toMatch(/^3:/);
  });

  function mica(): string {
    const done = spawnSync(process.execPath, [join(base, 'bin/mica')], { encoding: 'utf8' });
    return done.stdout + done.stderr;
  }

  function bundle(text = "'bundle'"): void {
    const path = start.bundlePath('mica');
    writeFileSync(path, main(text).replace('export const main =', 'exports.main ='));
    writeFileSync(start.compiledPath(path), start.compile(path).createCachedData());
  }

  /** Says that the modules were compiled so many seconds from now. */
  function compiled(seconds: number): void {
    const path = join(base, 'dist/.tsbuildinfo');
    const at = Date.now() / 1000 + seconds;
    writeFileSync(path, '');
    utimesSync(path, at, at);
  }
});

function main(text: string): string {
  return `export const main = () => process.stdout.write(${text});`;
}
