// `mica lab` for who is not root: real mounts by fusermount3, on plain lowers of others; and for who has no /dev/fuse, whose
// page plays by itself, as the command says; and from another mount namespace than that of the mount.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { untrue } from '../../src/web/lesson.js';
import { LESSONS } from '../../src/web/lessons/index.js';
import type { Ran, State } from '../../src/web/model.js';
import { LabProcess } from '../browser/lab-process.js';
import { Scratch, top } from '../program.js';
import { describeWith } from '../requires.js';

const isRoot = process.geteuid?.() === 0;
const idOf = (what: '-u' | '-g'): number =>
  Number(execFileSync('id', isRoot ? [what, 'mica-user'] : [what], { encoding: 'utf8' }));

/** Becomes the command that follows, as an ordinary user: whoever runs the tests, unless that is root. */
const asUser = (): string[] =>
  isRoot ? ['setpriv', `--reuid=${idOf('-u')}`, `--regid=${idOf('-g')}`, '--init-groups', '--'] : [];

/** A /dev with nothing in it but what every program needs. */
const WITHOUT_FUSE = `
  for name in null zero urandom; do : > "$0/$name"; mount --bind /dev/$name "$0/$name"; done
  mount --rbind "$0" /dev
  exec "$@"
`;

let scratch: Scratch;
let lab: LabProcess | undefined;
let before: string | undefined;

const prepare = (): void => {
  scratch = new Scratch('lab-user');
  before = process.env['TMPDIR'];
  process.env['TMPDIR'] = scratch.folder('tmp');
  chmodSync(scratch.base, 0o755);
};
const tidy = async (): Promise<void> => {
  await lab?.end();
  lab = undefined;
  if (before === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = before;
  scratch.remove();
};

describeWith(
  ['fuse for all', 'mica-user', 'program:fusermount3', 'program:setpriv'],
  'mica lab for an ordinary user',
  () => {
    beforeEach(() => {
      prepare();
      for (const folder of [scratch.base, scratch.path('tmp')]) chownSync(folder, idOf('-u'), idOf('-g'));
    });
    afterEach(tidy);

    it('plays lessons on real mounts, and all they claim is so', async () => {
      lab = await LabProcess.startBy(asUser(), scratch);
      expect(lab.engine).toBe('mount');
      for (const lesson of LESSONS) {
        let state = await lab.ask<State>('load', lesson);
        for (const { run, then = {} } of lesson.steps) {
          const rans: Ran[] = [];
          for (const line of run) rans.push(await lab.ask<Ran>('run', { line }));
          state = rans.at(-1)?.state ?? state;
          expect([lesson.title, untrue(then, rans, state)]).toEqual([lesson.title, []]);
        }
      }
      expect(await lab.end()).toBe(0);
      lab = undefined;
      expect(execFileSync('ls', ['-A', scratch.path('tmp')], { encoding: 'utf8' })).toBe('');
    });

    it('watches a mount of his, also of files that he may not read', async () => {
      for (const name of ['low', 'up', 'work', 'mnt']) {
        mkdirSync(scratch.path(name));
        chownSync(scratch.path(name), idOf('-u'), idOf('-g'));
      }
      writeFileSync(scratch.path('low/open'), 'open\n');
      writeFileSync(scratch.path('low/closed'), 'closed\n', { mode: isRoot ? 0o600 : 0 });
      mkdirSync(scratch.path('low/hidden'), { mode: isRoot ? 0o700 : 0 });
      const [command = '', ...rest] = [
        ...asUser(),
        process.execPath,
        new URL('../../bin/mica', import.meta.url).pathname,
        '--state',
        scratch.path('state'),
      ];
      const place = scratch.path('mnt');
      const folders = [
        '--lower',
        scratch.path('low'),
        '--upper',
        scratch.path('up'),
        '--work',
        scratch.path('work'),
      ];
      execFileSync(command, [...rest, 'mount', ...folders, place]);
      lab = await LabProcess.startBy(asUser(), scratch, place);
      expect(lab.engine).toBe('attached');
      const { merged, layers } = await lab.ask<State>('state', { focus: '' });
      expect(merged.map(({ path, layer }) => [path, layer]).sort()).toEqual([
        ['closed', 'low'],
        ['hidden', 'low'],
        ['open', 'low'],
      ]);
      expect(layers.map(({ name }) => name)).toEqual(['up', 'low']);
      expect(await lab.ask('run', { line: 'echo new > made' })).toMatchObject({ failed: false });
      expect(await lab.ask('run', { line: 'cat closed' })).toMatchObject({ failed: true });
      execFileSync(command, [...rest, 'umount', place]);
      chmodSync(scratch.path('low/hidden'), 0o700);
    });
  },
);

describeWith(['program:unshare'], 'mica lab without /dev/fuse', () => {
  beforeEach(prepare);
  afterEach(tidy);

  it('plays in the page, and says so', async () => {
    const space = isRoot ? ['unshare', '-m'] : ['unshare', '-Urm'];
    const by = [...space, 'sh', '-ec', WITHOUT_FUSE, scratch.folder('dev')];
    lab = await LabProcess.startBy(by, scratch);
    expect(lab.engine).toBe('memory');
    expect(lab.said()).toContain(
      'nothing can be mounted here (/dev/fuse cannot be opened (ENOENT)): the union runs in the page\n',
    );
    expect(await (await fetch(lab.url)).text()).toContain('data-engine="memory"');
  });
});

/** Mounts, until a line comes. */
const MOUNTED = `
  "$1" "$2" --state "$3" mount --lower low --upper up --work work mnt
  read -r _
  exec "$1" "$2" --state "$3" umount mnt
`;

describeWith(
  ['root', 'fuse', 'program:unshare', 'program:nsenter'],
  'mica lab on a mount of another mount namespace',
  () => {
    let other: ChildProcess;
    let pid = 0;
    beforeEach(async () => {
      prepare();
      for (const name of ['low', 'up', 'work', 'mnt']) scratch.folder(name);
      writeFileSync(scratch.path('low/motd'), 'Welcome\n');
      const words = [process.execPath, join(top, 'bin/mica'), scratch.path('state')];
      other = spawn('unshare', ['-m', 'sh', '-ec', MOUNTED, 'sh', ...words], {
        cwd: scratch.base,
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      pid = other.pid!;
      await once(other.stdout!, 'data');
    });
    afterEach(async () => {
      const exit = once(other, 'exit');
      other.stdin!.end('\n');
      await exit;
      await tidy();
    });

    it('shows it, and does no line in the folder below the mount', async () => {
      lab = await LabProcess.start(scratch, scratch.path('mnt'));
      const { merged } = await lab.ask<State>('state', { focus: '' });
      expect(merged.map(({ path }) => path)).toEqual(['motd']);
      const ran = await lab.ask<Ran>('run', { line: 'echo new > made' });
      expect(ran).toMatchObject({
        failed: true,
        output: expect.stringContaining('in another mount namespace'),
      });
      expect(readdirSync(scratch.path('mnt'))).toEqual([]);
    });

    it('does them where it is started there', async () => {
      lab = await LabProcess.startBy(
        ['nsenter', '--mount', '--target', `${pid}`],
        scratch,
        scratch.path('mnt'),
      );
      expect(await lab.ask('run', { line: 'echo new > made' })).toMatchObject({ failed: false });
      expect(readFileSync(scratch.path('up/made'), 'utf8')).toBe('new\n');
    });
  },
);
