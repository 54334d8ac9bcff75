// What stands under the picture after a command is about that command, whether or not it is drawn, and true.

import { beforeEach, describe, expect, test } from 'vitest';
import { MemoryBackend } from '../../../src/web/memory.js';
import type { LayerState, State } from '../../../src/web/model.js';
import { toldOf, toldThen } from '../../../src/web/view/told.js';
import { World } from '../../../src/web/world.js';

let world: World;
let state: State;

beforeEach(async () => {
  world = new World(new MemoryBackend());
  state = await world.load({
    layers: [
      { name: 'base', files: { 'etc/motd': 'Welcome\n', 'etc/hosts': 'x\n', 'var/db': { size: 6291456 } } },
      { name: 'app', files: { 'etc/motd': 'App\n' } },
    ],
  });
});

/** What is told of the last of some lines. */
async function told(...lines: readonly string[]): Promise<string> {
  let said = '';
  for (const line of lines) {
    const ran = await world.run(line);
    said = toldOf(ran, state);
    state = ran.state;
  }
  return said;
}

describe('what is told of a command', () => {
  test.each([
    ['cat etc/motd', 'It prints App. It comes from app. Nothing changed on the disk.'],
    ['ls etc', 'It prints hosts, motd. The names of etc come from app, base, each once.'],
    [
      'ls',
      'It prints etc/, var/. The names of the root come from box, app, base, each once. Nothing changed on the disk.',
    ],
    [
      'ls -l /',
      'It prints drwxr-xr-x 2        0 etc, drwxr-xr-x 2        0 var. The names of the root come from box,',
    ],
    ['ls var', 'It prints db. It comes from base. Nothing changed on the disk.'],
    [
      'run two',
      'The container two stands on app, base; its upper is empty, nothing was copied. You see now what two sees.',
    ],
    ['tag shop:1', 'The image shop:1 names app, base.'],
    ['gc', 'It prints nothing to collect. Each layer is in an image that has a name, or under a container.'],
    ['hide app', 'app is left out of the stack.'],
    ['sink app', 'From the top the layers are now base, app.'],
    ['layer third', 'third is a new layer, on top of the others.'],
    ['commit third', 'Commit: the upper froze into the layer third, and a new one opens.'],
    ['mkdir new', 'new is new in box; nothing was copied up.'],
    ['cat nothing', 'It failed: '],
    [
      'printf X | dd of=var/db seek=5000',
      'Copy-up: var is made in box. Copy-up: box has the attributes of var/db; 6.0 MiB of data stay below. Copy-up: 4.0 KiB of var/db rise into box.',
    ],
  ])('%s', async (line, said) => {
    const text = await told(line);
    expect(text).toContain(`${line}: ${said}`);
  });

  test.each([
    ['echo x > etc/new', 'Copy-up: etc is made in box. etc/new is new in box.'],
    ['cp etc/motd etc/copy', 'Copy-up: etc is made in box. etc/copy is new in box.'],
    ['mkdir etc/d', 'Copy-up: etc is made in box. etc/d is new in box.'],
    ['mkdir -p etc/d/e', 'Copy-up: etc is made in box. etc/d and etc/d/e are new in box.'],
    ['ln -s motd etc/link', 'Copy-up: etc is made in box. etc/link is new in box.'],
    [
      'ln etc/motd etc/hard',
      'Copy-up: etc is made in box. Copy-up: box has the attributes of etc/motd; 4 B of data stay below. etc/hard is new in box. etc/hard is the same file.',
    ],
    [
      'mv etc/motd etc/moved',
      'Copy-up: etc is made in box. Copy-up: box has the attributes of etc/motd; 4 B of data stay below. Whiteout: box gets a mark that hides etc/motd. etc/moved is new in box.',
    ],
  ])('what a line made is told beside the copy-up of its folder: %s', async (line, said) => {
    expect(await told(line)).toBe(`${line}: ${said}`);
  });

  test('what takes the place of a whiteout is new', async () => {
    expect(await told('rm etc/motd', 'mv var/db etc/motd')).toMatch(
      /Whiteout: .* etc\/motd is new in box\.$/,
    );
  });

  test('what only moved along with its folder, and what was copied up, is not told as new', async () => {
    expect(await told('echo more >> etc/motd', 'mv etc conf')).toBe(
      'mv etc conf: Redirect: the folder conf in box says where its lower part lies. Whiteout: box gets a mark that hides etc.',
    );
    expect(await told('chmod 600 conf/hosts', 'commit third')).not.toContain('new in box');
  });

  test('of a folder that is not drawn it is told what was made there', async () => {
    const ran = await world.run('mkdir etc/d');
    const shallow = (all: State): State => ({
      ...all,
      merged: all.merged.filter(({ path }) => !path.includes('/')),
      layers: all.layers.map((one) => ({
        ...one,
        entries: one.entries.filter(({ path }) => !path.includes('/')),
      })),
    });
    expect(toldOf({ ...ran, state: shallow(ran.state), there: ran.state }, shallow(state))).toBe(
      'mkdir etc/d: Copy-up: etc is made in box. etc/d is new in box.',
    );
  });

  test('who goes to another folder is not told that what lies there is new', async () => {
    await told('touch etc/own');
    const ran = { line: 'cd etc', output: '', failed: false, events: [], state: { ...state, focus: 'etc' } };
    const atRoot = { ...state, layers: state.layers.map((one) => ({ ...one, entries: [] })) };
    expect(toldOf(ran, atRoot)).toBe('cd etc: Drawn is now the folder etc.');
  });

  test('the order that is told is that of the container', async () => {
    const lines = ['commit mine', 'run two', 'use box', 'hide mine'];
    await told(...lines, 'use two');
    expect(await told('raise base')).toBe('raise base: From the top the layers are now mine, base, app.');
    const back = await told('use box');
    expect(back).toContain('You see now what box sees.');
    expect(back).not.toContain('the layers are now');
  });

  test('a listing comes from all layers that have a part of the folder, also where it was merged before', async () => {
    const said = await told('ls etc', 'mkdir etc/sub', 'ls etc');
    expect(said).toContain(
      'The names of etc come from box, app, base, each once. Nothing changed on the disk.',
    );
    expect(await told('mv etc conf', 'ls conf')).toContain(
      'The names of conf come from box, app, base, each once.',
    );
  });

  test('a file that is in the upper already is written there', async () => {
    expect(await told('echo more >> etc/motd', 'echo again >> etc/motd')).toBe(
      'echo again >> etc/motd: etc/motd is changed in box, which had it already; nothing was copied up.',
    );
  });

  test('a file with several names is told by the one that was typed, and what else it is called', async () => {
    const files = { 'bin/vi': 'editor\n', 'bin/vim': { link: 'bin/vi' } };
    state = await world.load({ layers: [{ name: 'base', files }] });
    expect(await told('cat bin/vi', 'echo one >> bin/vi')).toBe(
      'echo one >> bin/vi: Copy-up: bin is made in box. Copy-up: 7 B of bin/vi rise into box. bin/vim is the same file.',
    );
    expect(await told('echo two >> bin/vim')).toBe(
      'echo two >> bin/vim: bin/vim is changed in box, which had it already; nothing was copied up. bin/vi is the same file.',
    );
    expect(await told('cat bin/vim')).toContain(
      'It comes from box. Nothing changed on the disk. bin/vi is the',
    );
    expect(await told('rm bin/vi', 'echo three >> bin/vim')).toBe(
      'echo three >> bin/vim: bin/vim is changed in box, which had it already; nothing was copied up.',
    );
  });

  test('a copy-up of which a mount tells by another name of the file is told by the one that was typed', async () => {
    const files = { 'bin/vi': 'editor\n', 'bin/vim': { link: 'bin/vi' } };
    state = await world.load({ layers: [{ name: 'base', files }] });
    const ran = await world.run('echo one >> bin/vi');
    const events = ran.events.map((event) =>
      event.kind === 'copy-up' && event.path === 'bin/vi' ? { ...event, path: 'bin/vim' } : event,
    );
    expect(toldOf({ ...ran, events }, state)).toContain(
      '7 B of bin/vi rise into box. bin/vim is the same file.',
    );
  });

  test('what others did is told once, and not also by the line that sums it up', async () => {
    const { state: after, events } = await world.run('echo more >> etc/motd');
    const others = { summed: true, output: '', failed: false, state: after } as const;
    const told = toldOf({ ...others, line: 'copy-up etc, copy-up etc/motd', events }, state);
    expect(told).toBe('Copy-up: etc is made in box. Copy-up: 4 B of etc/motd rise into box.');
    const looked = await world.explain('etc/motd');
    expect(toldOf({ ...others, line: 'lookup etc/motd', events: [], looked }, after)).toBe(
      'lookup etc/motd: It comes from box. Nothing changed on the disk.',
    );
  });

  test('of many changes the first and the last are told and the others counted', async () => {
    expect(await told('rm -r etc')).toBe(
      'rm -r etc: Copy-up: etc is made in box. Then, after 2 other changes: Whiteout: box gets a mark that hides etc.',
    );
  });

  test('of many changes it is told what those between copied', async () => {
    await told('chmod 600 etc/motd etc/hosts', 'printf X | dd of=var/db seek=5000');
    expect(await told('hide app')).toBe(
      'hide app: Copy-up: 4 B of etc/motd rise into box. Then, after 2 other changes that copied 6.0 MiB: Settled: the upper is plain, everybody can read it. app is left out of the stack.',
    );
  });

  test('of many new files the first and the last are named', async () => {
    expect(await told('touch one three two zero')).toBe(
      'touch one three two zero: one, 2 more and zero are new in box; nothing was copied up.',
    );
  });

  test('a container that ends, a layer that is left out, and a name that goes', async () => {
    const lines = ['commit third', 'tag shop:1', 'run two shop:1', 'use box', 'run three', 'kill box'];
    expect(await told(...lines)).toBe('kill box: The container box has ended, and its upper is gone.');
    expect(await told('hide third')).toContain('third is left out');
    expect(await told('show third', 'untag shop:1')).toContain('The name shop:1 is given up');
  });

  test('gc names the layers that go, and why', async () => {
    const loaded = await world.load({ layers: [{ name: 'base', files: {} }], containers: ['box', 'other'] });
    state = loaded;
    expect(await told('commit one', 'kill box', 'gc')).toBe(
      'gc: one is removed: no image names it, and no container stands on it.',
    );
  });

  test('a layer that only gets another name is told neither as gone nor as new', () => {
    const called = (name: string): State => ({
      ...state,
      layers: state.layers.map((one) => (one.id === 'app' ? { ...one, name } : one)),
    });
    const ran = { line: 'help', output: '', failed: false, events: [], state: called('late') };
    expect(toldOf(ran, called('7'))).toBe('help: Nothing changed on the disk.');
  });

  test('a commit is told when its event is there, and the lines that come before it say nothing of it', () => {
    const [upper, ...lowers] = state.layers as [LayerState, ...LayerState[]];
    const entry = { path: 'a', kind: 'file', mode: 0o644, size: 1, bytes: 4096, nlink: 1, ino: 9 } as const;
    const own = { ...upper, id: '4', entries: [{ ...entry, xattrs: {} }] };
    const { upperOf: _, ...frozen } = { ...own, name: 'late' };
    const stackOf = (layers: readonly LayerState[]): State => ({
      ...state,
      layers,
      containers: [{ name: state.active, layers: layers.map(({ id }) => id) }],
    });
    const committed = stackOf([{ ...upper, id: '5' }, frozen, ...lowers]);
    const ran = { line: 'cat a', output: 'x', failed: false, events: [], state: committed };
    expect(toldOf(ran, stackOf([own, ...lowers]))).toBe('cat a: It prints x. Nothing changed on the disk.');
  });

  test('who looks back is told so, and how many steps there are stands at the time line alone', () => {
    expect(toldThen('ls: empty.')).toBe('Looking back. ls: empty.');
  });
});
