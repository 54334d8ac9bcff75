// Every lesson of the lab on real mounts, and what the picture says of a path beside `mica explain` and the disk.

import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { MountBackend } from '../../dist/src/cli/lab/mount-backend.js';
import { untrue } from '../../dist/src/web/lesson.js';
import { World } from '../../dist/src/web/world.js';
import { LESSONS } from '../../src/web/lessons/index.js';
import type { Ran, State } from '../../src/web/model.js';
import { toldOf } from '../../src/web/view/told.js';
import { top as program } from '../program.js';
import { describeWith } from '../requires.js';
import { expectBoundedPaths } from '../suites/lab-depth.js';
import { expectNamesAsText, LAYERS_OF_NAMES } from '../suites/lab-names.js';

describeWith(['root', 'fuse'], 'the lab on real mounts', () => {
  let top: string;
  let backend: MountBackend;
  let world: World;

  beforeEach(() => {
    top = realpathSync(mkdtempSync(join(tmpdir(), 'mica-lab-test-')));
    for (const name of ['state', 'scratch']) mkdirSync(join(top, name), { mode: 0o700 });
    backend = new MountBackend(join(top, 'scratch'), join(top, 'state'));
    world = new World(backend);
  });
  afterEach(async () => {
    await backend.reset();
    rmSync(top, { recursive: true, force: true });
  });

  it.each(LESSONS.map((lesson) => [lesson.title, lesson] as const))(
    'says what is so: %s',
    async (_, lesson) => {
      let state: State = await world.load(lesson);
      for (const [at, step] of lesson.steps.entries()) {
        const rans: Ran[] = [];
        for (const line of step.run) rans.push(await world.run(line));
        expect(rans.filter(({ failed }) => failed).map(({ line, output }) => [line, output])).toEqual([]);
        state = rans.at(-1)?.state ?? state;
        expect([at, untrue(step.then ?? {}, rans, state)]).toEqual([at, []]);
      }
    },
  );

  it('mica explain calls the layers as the page does, also after a commit', async () => {
    await world.load({
      layers: [
        { name: 'base', files: { 'etc/motd': 'Welcome\n', 'bin/vi': 'vi\n', 'bin/vim': { link: 'bin/vi' } } },
        // Names may look like the ids of others.
        { name: '2', files: { 'etc/hosts': 'localhost\n', big: { size: 6_291_456 } } },
      ],
    });
    for (const line of [
      'echo more >> etc/motd',
      'echo more >> bin/vi',
      'commit third',
      'printf X | dd of=big seek=5000',
      'rm etc/hosts',
    ])
      expect(await world.run(line)).toMatchObject({ failed: false });
    const mica = (...words: string[]) =>
      execFileSync(process.execPath, [join(program, 'bin/mica'), '--state', join(top, 'state'), ...words], {
        encoding: 'utf8',
      });
    for (const path of ['etc', 'etc/motd', 'etc/hosts', 'bin/vim', 'big', 'none']) {
      const shown = await world.explain(path);
      const place = join(top, 'scratch/mnt-box', path);
      const { why, layers } = JSON.parse(mica('--json', 'explain', place));
      expect([path, why]).toEqual([path, shown.why]);
      expect(layers.map(({ name }: { name: string }) => name)).toEqual(['box', 'third', '2', 'base']);
      expect(shown.layers.map(({ id }) => id)).toEqual(['box', 'third', '2', 'base']);
      expect(mica('explain', place)).toContain(shown.why);
    }
    expect(mica('explain', join(top, 'scratch/mnt-box/big'))).toMatch(/bytes 4,096 to 8,191 +4\.0 KiB +box/);
  });

  it('tells names beyond ASCII as text', async () => {
    await world.load({ layers: LAYERS_OF_NAMES });
    await expectNamesAsText(world);
  });

  it('refuses paths that nobody types, and shows and removes what lies deeper', async () => {
    await world.load({ layers: [{ name: 'base', files: { 'etc/motd': 'Welcome\n' } }] });
    await expectBoundedPaths(world);
  });

  it('shows the folders of the layers, and the index of hard links as it lies in the work folder', async () => {
    await world.load({
      layers: [{ name: 'base', files: { 'bin/vi': 'vi\n', 'bin/vim': { link: 'bin/vi' } } }],
    });
    await world.run('echo more >> bin/vi');
    const [upper, base] = (await world.state()).layers;
    expect(readdirSync(base?.folder ?? '')).toEqual(['bin']);
    expect(readFileSync(join(upper?.folder ?? '', 'bin/vi'), 'utf8')).toBe('vi\nmore\n');
    const { path: folder, entries } = upper!.index!;
    expect(readdirSync(folder)).toEqual(entries.map(({ path }) => path));
    const { ino, nlink } = lstatSync(join(upper?.folder ?? '', 'bin/vi'));
    expect(entries.map((entry) => [entry.ino, entry.nlink, entry.size])).toEqual([[ino, nlink, 8]]);
    // The key is what the kernel makes of the lower file, whichever of its names it is seen by.
    const keys = base!.entries.flatMap(({ key }) => key ?? []);
    expect(keys).toEqual([entries[0]?.path, entries[0]?.path]);
    await world.run('commit second');
    expect((await world.state()).layers[0]?.index).toBe(undefined);
  });

  it('tells of a file with several names by the one that was typed, whichever was looked at last', async () => {
    const layers = [{ name: 'base', files: { 'bin/vi': 'vi\n', 'bin/vim': { link: 'bin/vi' } } }];
    await world.load({ layers });
    for (const line of ['cat bin/vi', 'cat bin/vim']) await world.run(line);
    const before = await world.state();
    expect(toldOf(await world.run('echo more >> bin/vi'), before)).toMatch(
      /Copy-up: 3 B of bin\/vi rise into box\. bin\/vim is the same file\.$/,
    );
  });

  it('tells and counts what a container copies before it stands on other layers', async () => {
    await world.load({
      layers: [
        { name: 'base', files: { 'etc/hosts': 'localhost\n', 'var/db': { size: 6_291_456 } } },
        { name: 'app', files: { 'app/run': 'start\n' } },
      ],
    });
    for (const line of ['chmod 600 etc/hosts', 'printf x | dd of=var/db seek=1000000'])
      expect(await world.run(line)).toMatchObject({ failed: false });
    const before = await world.state();
    const ran = await world.run('hide base');
    const copied = ran.events.reduce((sum, { bytesCopied = 0 }) => sum + bytesCopied, 0);
    const size = ({ layers }: State) => layers.find(({ upperOf }) => upperOf === 'box')?.bytes ?? 0;
    expect(size(ran.state) - size(before)).toBeGreaterThan(6_000_000);
    expect(copied).toBe(6_291_456 - 4096 + 'localhost\n'.length);
    const said = toldOf(ran, before);
    expect(said).toContain('6.0 MiB of var/db rise into box');
    expect(said).toContain('base is left out of the stack.');
    expect(said).not.toContain('nothing was copied');
  });

  it('cp -r makes the tree that was there, of folders, files and symlinks', async () => {
    await world.load({
      layers: [
        { name: 'base', files: { 'etc/motd': 'Welcome\n', 'etc/ssl/link': { symlink: '../motd' } } },
        { name: 'app', files: { 'etc/big': { size: 3_000_000 } } },
      ],
    });
    for (const line of [
      'chmod 700 etc/ssl',
      'chmod 600 etc/motd',
      'cp -r etc copy',
      'mkdir into',
      'cp -r etc into',
    ])
      expect(await world.run(line)).toMatchObject({ output: '', failed: false });
    const mnt = join(top, 'scratch/mnt-box');
    const tree = (dir: string) =>
      execFileSync('timeout', ['60', 'find', '.', '-printf', '%P %M %y %l %n\\n'], {
        cwd: join(mnt, dir),
        encoding: 'utf8',
      });
    expect(tree('copy').split('\n').sort()).toEqual(tree('etc').split('\n').sort());
    for (const copy of ['copy', 'into/etc'])
      execFileSync('timeout', ['60', 'diff', '-r', '--no-dereference', join(mnt, 'etc'), join(mnt, copy)]);
  });

  it('leaves nothing of a lesson to the next one', async () => {
    const base = { name: 'base', files: { 'etc/motd': 'Welcome\n' } };
    await world.load({ layers: [base], containers: ['box', 'other'] });
    for (const line of ['echo more >> etc/motd', 'commit second', 'tag shop', 'use other', 'kill box'])
      expect(await world.run(line)).toMatchObject({ failed: false });
    await world.load({ layers: [base] });
    const [upper, below] = (await world.state()).layers.map(({ folder }) => basename(folder ?? ''));
    const own = [below, `${below}-work`, upper, `${upper}-work`, 'mnt-box'];
    expect(readdirSync(join(top, 'scratch')).sort()).toEqual(own.sort());
    await backend.reset();
    expect(readdirSync(join(top, 'scratch'))).toEqual([]);
  });

  it('says of each path what the mount shows, and refuses to follow links out of it', async () => {
    await world.load({
      layers: [
        { name: 'base', files: { 'etc/motd': 'Welcome\n', 'etc/old': 'x', out: { symlink: '/etc' } } },
      ],
    });
    for (const line of ['echo more >> etc/motd', 'rm etc/old', 'mkdir new']) await world.run(line);
    const { merged } = await world.state();
    expect(merged.map(({ path, layer }) => [path, layer])).toEqual([
      ['etc', 'box'],
      ['etc/motd', 'box'],
      ['new', 'box'],
      ['out', 'base'],
    ]);
    for (const { path, size, mode } of merged) {
      const real = lstatSync(join(top, 'scratch', 'mnt-box', path));
      expect([path, real.size, real.mode & 0o7777]).toEqual([path, size, mode]);
    }
    expect(await world.run('cat out/hostname')).toMatchObject({ failed: true });
    expect(await world.run('echo x > out')).toMatchObject({ failed: true });
    expect(await world.run('cat ../../etc/hostname')).toMatchObject({
      failed: true,
      output: '../../etc/hostname: the lab knows no ..\n',
    });
  });
});
