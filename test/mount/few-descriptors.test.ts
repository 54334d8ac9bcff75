// A server that may open few files: what finds none left fails alone, and nothing that is open is lost.

import { closeSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { eachWithMount } from './mounted.js';

const FILES = 400;
const LIMIT = 256;

describeWith(['root', 'fuse', 'program:prlimit'], `a server that may open ${LIMIT} files`, () => {
  const at = eachWithMount((scratch) => {
    for (let n = 0; n < FILES; n++) writeFileSync(scratch.at('lower', `f${n}`), `content ${n}`);
  });

  it('answers EMFILE to what does not fit, keeps what is open, and goes on', async () => {
    const { scratch } = at;
    const limited = ['prlimit', `--nofile=${LIMIT}:${LIMIT}`];
    // Every open is asked for and keeps a descriptor until the file is closed.
    const wrap = ['env', 'MICA_WITHOUT=fuse-no-open', ...limited];
    const served = await at.serve({}, wrap);
    const open: [fd: number, n: number][] = [];
    const failures = new Set<string | undefined>();
    for (let n = 0; n < FILES; n++) {
      try {
        open.push([openSync(scratch.at('mnt', `f${n}`), n % 2 === 0 ? 'r' : 'r+'), n]);
      } catch (error) {
        failures.add((error as NodeJS.ErrnoException).code);
      }
    }
    expect([...failures]).toEqual(['EMFILE']);
    expect(open.length).toBeGreaterThan(50);
    const into = Buffer.alloc(20);
    for (const [fd, n] of open) {
      expect(into.toString('utf8', 0, readSync(fd, into, 0, 20, 0))).toBe(`content ${n}`);
      closeSync(fd);
    }
    for (let n = 0; n < FILES; n++) {
      expect(readFileSync(scratch.at('mnt', `f${n}`), 'utf8')).toBe(`content ${n}`);
      writeFileSync(scratch.at('mnt', `f${n}`), `new ${n}`);
    }
    expect(scratch.sh('ls upper | wc -l')).toBe(`${FILES}`);
    expect(await served.stop()).toBe('unmounted');
  });
});
