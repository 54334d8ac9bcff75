// The words of the lab's command line that have an edge: touch, cp, dd with and without a pipe, and whatever would remove the root.

import { beforeEach, expect, test } from 'vitest';
import { MemoryBackend } from '../../../src/web/memory.js';
import { World } from '../../../src/web/world.js';
import { expectBoundedPaths } from '../../suites/lab-depth.js';

let world: World;
beforeEach(async () => {
  world = new World(new MemoryBackend());
  const base = { 'etc/motd': 'Welcome\n', big: { size: 6_291_456 } };
  await world.load({ layers: [{ name: 'base', files: base }] });
});

/** What a line prints, and what it copies. */
async function run(line: string) {
  const { output, failed, events } = await world.run(line);
  return { output, failed, copied: events.reduce((sum, { bytesCopied = 0 }) => sum + bytesCopied, 0) };
}

test('what ends a command in a shell is text in quotes', async () => {
  expect(await run(`echo 'a; b' "& c"`)).toMatchObject({ output: 'a; b & c\n', failed: false });
});

test('touch of a lower file copies up its attributes alone, and of nothing makes an empty file', async () => {
  expect(await run('touch etc/motd')).toEqual({ output: '', failed: false, copied: 0 });
  expect((await world.explain('etc/motd')).layers[0]).toMatchObject({ id: 'box', finding: 'metadata' });
  expect(await run('touch etc/new')).toMatchObject({ failed: false });
  expect(await run('stat etc/new')).toMatchObject({ output: 'etc/new: file, mode 0644, 0 bytes, 1 name\n' });
});

test('cp copies all of a file through the union, with its permissions, also into a folder', async () => {
  expect(await run('chmod 600 etc/motd')).toMatchObject({ failed: false });
  expect(await run('cp etc/motd copy')).toEqual({ output: '', failed: false, copied: 0 });
  expect(await run('cat copy')).toMatchObject({ output: 'Welcome\n' });
  expect(await run('stat copy')).toMatchObject({ output: 'copy: file, mode 0600, 8 bytes, 1 name\n' });
  expect(await run('cp big etc')).toEqual({ output: '', failed: false, copied: 0 });
  expect(await run('stat etc/big')).toMatchObject({ output: expect.stringContaining('6291456 bytes') });
  expect(await run('cp copy etc/big')).toMatchObject({ failed: false });
  expect(await run('stat etc/big')).toMatchObject({ output: expect.stringContaining(' 8 bytes') });
  expect(await run('ln copy other')).toMatchObject({ failed: false });
  expect(await run('cp other copy')).toMatchObject({ failed: true, output: 'other and copy are one file\n' });
  expect(await run('cat copy')).toMatchObject({ output: 'Welcome\n' });
});

test('cp -r copies a folder with all that is in it through the union, and no layer is any other for it', async () => {
  const lines = [
    'mkdir etc/d',
    'ln -s ../motd etc/d/link',
    'touch etc/d/empty',
    'chmod 700 etc/d',
    'chmod 600 etc/motd',
  ];
  for (const line of lines) expect(await run(line)).toMatchObject({ failed: false });
  const before = (await world.state()).layers.find(({ name }) => name === 'base');
  expect(await run('cp -r etc copy')).toEqual({ output: '', failed: false, copied: 0 });
  expect(await run('ls -l copy')).toMatchObject({
    output: 'drwx------ 2        0 d\n-rw------- 1        8 motd\n',
  });
  expect(await run('cat copy/motd copy/d/link')).toMatchObject({ output: 'Welcome\n-> ../motd\n' });
  // Of a folder that is there the copy is in it, or with what is in its copy.
  for (const line of [
    'mkdir into',
    'cp -r etc into',
    'rm into/etc/motd',
    'echo own > into/etc/own',
    'cp -R etc into',
  ])
    expect(await run(line)).toMatchObject({ failed: false });
  expect(await run('ls into/etc')).toMatchObject({ output: 'd/\nmotd\nown\n' });
  expect((await world.state()).layers.find(({ name }) => name === 'base')).toEqual(before);
});

test.each([
  ['dd if=etc/motd of=copy', 'Welcome\n'],
  ['dd if=etc/motd of=copy bs=3 skip=1 count=1', 'com'],
  ['dd if=etc/motd of=etc/motd bs=2 seek=4 conv=notrunc status=none', 'Welcome\nWelcome\n'],
  ['printf X | dd of=etc/motd bs=2 seek=2', 'WelcXme\n'],
])('%s', async (line, content) => {
  expect(await run(line)).toMatchObject({ output: '', failed: false });
  expect(await run(`cat ${/of=(\S+)/.exec(line)?.[1]}`)).toMatchObject({ output: content });
});

test.each([
  ['dd', 'dd if=FILE of=FILE'],
  ['dd of=f seek=2', 'dd if=FILE of=FILE'],
  ['dd if=none of=f', 'no such file'],
  ['dd if=etc/motd of=f bs=two', 'bs is a number'],
  ['dd if=etc/motd of=f into=g', 'into=g'],
  ['dd if=big of=f', 'the first 64 KiB'],
  ['printf X | dd if=etc/motd of=f', 'it reads the pipe'],
  ['cp etc/motd', 'cp [-r] FILE COPY'],
  ['cp etc copy', 'etc: is a folder (cp -r copies it with what is in it)'],
  ['cp -r etc etc/copy', 'etc: it cannot be copied into itself'],
  ['cp -r etc etc', 'etc: it cannot be copied into itself'],
  ['cp -r / copy', '/: it cannot be copied into itself'],
  ['cp -r etc big', 'big: is no folder'],
  ['cp -r none copy', 'no such file'],
  ['cp none copy', 'no such file'],
  ['cp etc/motd etc/motd', 'are one file'],
  ['rm -r /', 'the root of a container stays'],
  ['rm -rf /', 'the root of a container stays'],
  ['rm /', 'the root of a container stays'],
  ['rmdir /', 'the root of a container stays'],
  ['mv / x', 'the root of a container stays'],
  ['constructor', 'constructor: no such command'],
  ['hasOwnProperty etc', 'hasOwnProperty: no such command'],
  ['ls ..', 'the lab knows no ..'],
  ['mkdir x; mkdir y', 'one command a line here'],
  ['rm etc/motd && mkdir y', 'one command a line here'],
  ['cat ../../etc', 'the lab knows no ..'],
])('%s says why not', async (line, why) => {
  const { output, failed } = await run(line);
  expect([failed, output]).toEqual([true, expect.stringContaining(why)]);
  expect((await world.state()).merged.map(({ path }) => path)).toEqual(['big', 'etc', 'etc/motd']);
});

test('a path that nobody types is refused before anything is done', () => expectBoundedPaths(world));
