// What `snapshot mounts` prints, pasted into a shell.

import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Scratch } from '../program.js';
import { describeWith } from '../requires.js';

for (const driver of ['fuse', 'overlay', 'native'] as const) {
  const needs = driver === 'native' ? (['root'] as const) : (['root', driver] as const);
  describeWith(needs, `what snapshot mounts prints for the driver ${driver}`, () => {
    let scratch: Scratch;
    beforeEach(() => {
      scratch = new Scratch('paste');
    });
    afterEach(() => scratch.remove());

    it('mounts a snapshot of one layer and one of two, for a shell', () => {
      const mica = (...words: string[]) => scratch.mica('--driver', driver, 'snapshot', ...words);
      const target = scratch.folder('tar get');
      const shell = (script: string) =>
        execFileSync('timeout', ['60', 'sh', '-ec', script], { stdio: 'pipe' });
      const used = (key: string, script: string) => {
        const line = mica('mounts', key).trim().replace('TARGET', `'${target}'`);
        expect(line.split('\n')).toHaveLength(1);
        shell(`${line}; cd '${target}'; ${script}; cd /; umount '${target}'`);
      };
      mica('prepare', 'base');
      used('base', 'echo below > below');
      mica('commit', 'layer', 'base');
      mica('prepare', 'top', 'layer');
      used('top', 'cat below; rm below; echo above > above');
      used('top', 'test ! -e below; cat above');
      expect(readdirSync(target)).toEqual([]);
    });
  });
}
