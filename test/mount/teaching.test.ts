// The lesson plan for teachers: every command of docs/teaching.md is run, in order, and prints what stands there.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Scratch, top } from '../program.js';
import { describeWith } from '../requires.js';

interface Typed {
  readonly line: string;
  readonly prints: string;
}

/** What stands in the blocks of a shell session. */
function sessions(text: string): readonly Typed[] {
  const blocks = [...text.matchAll(/```console\n([\s\S]*?)```/g)].map(([, block = '']) => block);
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const end = part.indexOf('\n');
        return { line: part.slice(0, end), prints: part.slice(end + 1) };
      }),
  );
}

/** Columns may be wider, and `…` is anything of a line. */
function pattern(prints: string): RegExp {
  const words = plain(prints).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${words.replaceAll('…', '.*')}$`);
}

function plain(text: string): string {
  return text.replace(/ +/g, ' ').trimEnd();
}

describeWith(['root', 'fuse', 'program:getfattr'], 'docs/teaching.md', () => {
  const typed = sessions(readFileSync(join(top, 'docs/teaching.md'), 'utf8'));
  let scratch: Scratch;
  beforeAll(() => {
    scratch = new Scratch('teaching');
  });
  afterAll(() => scratch.remove());

  it('has commands', () => expect(typed.length).toBeGreaterThan(20));

  it.each(typed.map(({ line, prints }) => [line, prints]))('%s', (line, prints) => {
    const done = spawnSync('timeout', ['60', 'sh', '-c', line], {
      cwd: scratch.base,
      encoding: 'utf8',
      env: {
        ...process.env,
        PATH: `${join(top, 'bin')}:${process.env['PATH']}`,
        MICA_ROOT: scratch.path('root'),
        MICA_STATE: scratch.path('state'),
        NO_COLOR: '1',
      },
    });
    expect(done.stderr).toBe('');
    expect(plain(done.stdout)).toMatch(pattern(prints));
  });
});
