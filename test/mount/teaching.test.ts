// The lesson plan for teachers: every command of docs/teaching.md is run, in order, and prints what stands there.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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

const typed = sessions(readFileSync(join(top, 'docs/teaching.md'), 'utf8'));

it('has commands', () => expect(typed.length).toBeGreaterThan(20));

/** Says that it is there, and stays until it is told to go. */
const STAY = 'echo; read -r _';

describeWith(
  ['root', 'fuse', 'program:getfattr', 'program:unshare', 'program:nsenter'],
  'docs/teaching.md',
  () => {
    describe.each([
      ['as root', ['unshare', '-m']],
      ['in unshare -Urm', ['unshare', '-Urm']],
    ])('%s', (_, [command = '', ...words]) => {
      let scratch: Scratch;
      let shell: ChildProcess;
      beforeAll(async () => {
        scratch = new Scratch('teaching');
        shell = spawn(command, [...words, 'sh', '-c', STAY], { stdio: ['pipe', 'pipe', 'inherit'] });
        await once(shell.stdout!, 'data');
      });
      afterAll(async () => {
        const exit = once(shell, 'exit');
        shell.stdin!.end('\n');
        await exit;
        scratch.remove();
      });

      const isUser = words.includes('-Urm');
      const spaces = isUser ? ['--user', '--preserve-credentials', '--mount'] : ['--mount'];

      it.each(typed.map(({ line, prints }) => [line, prints]))('%s', (line, prints) => {
        const enter = ['nsenter', ...spaces, `--target=${shell.pid}`];
        // A folder that was opened out here has no mount in it.
        const done = spawnSync(
          'timeout',
          ['60', ...enter, 'sh', '-c', 'cd "$0" && eval "$1"', scratch.base, line],
          {
            encoding: 'utf8',
            env: {
              ...process.env,
              PATH: `${join(top, 'bin')}:${process.env['PATH']}`,
              MICA_ROOT: scratch.path('root'),
              MICA_STATE: scratch.path('state'),
              NO_COLOR: '1',
            },
          },
        );
        expect(done.stderr).toBe('');
        expect(plain(done.stdout)).toMatch(pattern(prints));
      });
    });
  },
);
