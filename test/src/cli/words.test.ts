import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mica } from './mica.js';

describe('the words of mica', () => {
  let mica: Mica;
  beforeAll(() => {
    mica = new Mica();
  });
  afterAll(() => mica.remove());

  const wrong: readonly (readonly [string, readonly string[], Readonly<Record<string, string>>, string])[] = [
    ['no command', [], {}, 'a command is missing'],
    ['an unknown command', ['bogus'], {}, "unknown command 'bogus'"],
    ['an unknown option', ['completion', 'bash', '--bogus'], {}, "unknown option '--bogus'"],
    ['a global option without its value', ['--host'], {}, "option '--host <which>' argument missing"],
    ['a missing argument', ['completion'], {}, "missing required argument 'shell'"],
    ['one argument too many', ['completion', 'bash', 'zsh'], {}, 'too many arguments'],
    ['a driver that does not exist', ['completion', 'bash', '--driver', 'x'], {}, 'it is one of auto, fuse'],
    ['a bad MICA_DRIVER', ['completion', 'bash'], { MICA_DRIVER: 'x' }, 'cannot use MICA_DRIVER "x"'],
    ['a bad MICA_TRANSPORT', ['completion', 'bash'], { MICA_TRANSPORT: 'x' }, 'cannot use MICA_TRANSPORT'],
    ['a bad MICA_NAMESPACE', ['completion', 'bash'], { MICA_NAMESPACE: 'a/b' }, 'cannot use MICA_NAMESPACE'],
    ['a bad MICA_DEBUG', ['completion', 'bash'], { MICA_DEBUG: 'yes' }, 'it is 0 or 1'],
  ];
  it.each(wrong)('%s is one line on stderr and exit code 2', (_, words, env, why) => {
    const ran = mica.run(words, { env });
    expect(ran).toMatchObject({ code: 2, out: '' });
    expect(ran.err).toContain(why);
    expect(ran.err).toMatch(/^mica: .*\n(hint: .*\n)?$/);
  });

  it('an error names the command that was typed, with the one above it, and so does its hint', () => {
    for (const [words, path] of [
      [['content', 'ls', '--bogus'], 'mica content ls'],
      [['--json', 'snapshot', 'rm'], 'mica snapshot rm'],
      [['content', 'zzz'], 'mica content'],
    ] as const) {
      const { code, err } = mica.run(words);
      expect(code).toBe(2);
      expect(err).toContain(`cannot run ${path}: `);
      expect(err).toContain(`${path} --help`);
    }
  });

  it('an error with --json is one JSON object on stderr', () => {
    const ran = mica.run(['bogus', '--json']);
    expect(ran).toMatchObject({ code: 2, out: '' });
    expect(JSON.parse(ran.err)).toEqual({
      error: {
        code: 2,
        kind: 'invalid-argument',
        message: "cannot run mica: unknown command 'bogus'",
        hint: 'mica --help',
      },
    });
  });

  it('--help names every command and goes to stdout', () => {
    const ran = mica.run(['--help']);
    expect(ran).toMatchObject({ code: 0, err: '' });
    expect(ran.out).toContain('completion');
  });

  it('--version is a line, and an object with --json', () => {
    expect(mica.run(['--version'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^mica \d+\.\d+\.\d+\n$/),
    });
    expect(JSON.parse(mica.run(['--version', '--json']).out)).toMatchObject({
      name: 'micafs',
      node: process.version,
    });
  });

  it('a stack appears with --debug alone', () => {
    expect(mica.run(['bogus', '--debug']).err).toMatch(/\n\s+at /);
    expect(mica.run(['bogus']).err).not.toMatch(/\n\s+at /);
  });

  it('global options are taken before and after the command', () => {
    const before = mica.run(['--driver', 'fuse', 'completion', 'bash']);
    const after = mica.run(['completion', 'bash', '--driver', 'fuse']);
    expect(before).toMatchObject({ code: 0, err: '' });
    expect(after).toEqual(before);
  });

  it('a reader who goes away is not told about', async () => {
    const bin = fileURLToPath(new URL('../../../bin/mica', import.meta.url));
    const child = spawn(process.execPath, [bin, 'completion', 'fish'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    await once(child, 'close');
    expect(err).toBe('');
  });
});
