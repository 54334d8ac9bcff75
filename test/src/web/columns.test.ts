// How the cells of the picture look, held against what the union says: of the names of a hard link, and beside hidden layers.

import { expect, test } from 'vitest';
import { MemoryBackend } from '../../../src/web/memory.js';
import type { FileSetup } from '../../../src/web/model.js';
import { type Column, pictureOf } from '../../../src/web/view/columns.js';
import { absentText, cellText, mergedText, seenAsText } from '../../../src/web/view/words.js';
import { World } from '../../../src/web/world.js';

type Layers = Readonly<Record<string, Readonly<Record<string, FileSetup>>>>;

/** After these lines. */
async function columnAt(layers: Layers, lines: readonly string[], path: string): Promise<Column | undefined> {
  const world = new World(new MemoryBackend());
  await world.load({ layers: Object.entries(layers).map(([name, files]) => ({ name, files })) });
  for (const line of lines) expect(await world.run(line)).toMatchObject({ failed: false });
  return pictureOf(await world.state()).columns.find((one) => one.path === path);
}

/** Per layer from the top: how its cell at the path looks, and whether that is what shows or hidden. */
async function cells(layers: Layers, lines: readonly string[], path: string): Promise<readonly string[]> {
  const column = await columnAt(layers, lines, path);
  return (column?.cells ?? []).map(
    ({ layer, look, shows, covered, seenAs }) =>
      `${layer.name} ${look}${shows ? ' shows' : ''}${covered ? ' covered' : ''}${seenAs === undefined ? '' : ` as ${seenAs}`}`,
  );
}

const LINKED = { base: { 'bin/vi': 'editor\n', 'bin/vim': { link: 'bin/vi' } } };

test('the other name of a file that was copied up comes from the copy', async () => {
  expect(await cells(LINKED, ['echo plus >> bin/vi'], 'bin/vim')).toEqual([
    'box indexed shows',
    'base file covered',
  ]);
});

test('a cell of a file with several names in a layer says the others', async () => {
  const said = async (path: string) => {
    const column = await columnAt(LINKED, ['echo plus >> bin/vi'], path);
    return column?.cells.map((cell) => cellText(cell, path));
  };
  expect(await said('bin/vi')).toEqual([
    'bin/vi in box: file, 12 B, seen in the union',
    'bin/vi in base: file, 7 B, the same file as bin/vim, hidden by a layer above',
  ]);
  expect(await said('bin/vim')).toEqual([
    'bin/vim in box: found by the index of hard links, the same file as bin/vi, seen in the union',
    'bin/vim in base: file, 7 B, the same file as bin/vi, hidden by a layer above',
  ]);
});

test('of which attributes alone were copied, from below too', async () => {
  expect(await cells(LINKED, ['chmod 600 bin/vi'], 'bin/vim')).toEqual([
    'box indexed shows',
    'base file shows',
  ]);
});

test('what a hidden layer has covers nothing', async () => {
  const layers = {
    base: { 'etc/hosts': 'h', 'd/old': 'o' },
    app: { etc: { folder: true, opaque: true }, 'etc/motd': 'm', d: 'a file' },
  } as const;
  expect(await cells(layers, [], 'etc/hosts')).toEqual(['box nothing', 'app nothing', 'base file covered']);
  expect(await cells(layers, ['hide app'], 'etc/hosts')).toEqual([
    'box nothing',
    'app nothing',
    'base file shows',
  ]);
  expect(await cells(layers, ['hide app'], 'd/old')).toEqual([
    'box nothing',
    'app nothing',
    'base file shows',
  ]);
  expect(await cells(layers, ['hide app'], 'etc/motd')).toEqual([
    'box nothing',
    'app file covered',
    'base nothing',
  ]);
});

test('the view on top says how much of a file the layer that wins has', async () => {
  const layers = { base: { 'var/db': { size: 6 << 20 }, 'bin/sh': 'sh' } };
  const said = async (...lines: string[]) => mergedText((await columnAt(layers, lines, 'var/db'))!);
  expect(await said()).toBe('var/db in the union: file from base');
  expect(await said('chmod 600 var/db')).toBe('var/db in the union: file, attributes from box');
  expect(await said('echo x | dd of=var/db seek=3000000')).toBe(
    'var/db in the union: file, in part from box',
  );
  expect(await said('echo x > var/db')).toBe('var/db in the union: file from box');
});

test('what was deleted is gone, and what this container never had is not here', async () => {
  const layers = { base: { 'bin/sh': 'sh' } };
  expect(absentText((await columnAt(layers, ['rm bin/sh'], 'bin/sh'))!)).toBe('gone');
  expect(absentText((await columnAt(layers, ['mv bin sbin'], 'bin/sh'))!)).toBe('gone');
  const apart = ['run other', 'use other', 'echo x > shop', 'commit v2', 'use box'];
  expect(absentText((await columnAt(layers, apart, 'shop'))!)).toBe('not here');
});

/** The sandbox of the page, as far as it matters here. */
const SANDBOX = {
  base: { 'etc/motd': 'Welcome\n', 'etc/hosts': 'h' },
  app: { 'app/run': 'start\n', 'app/lib/a': 'a', 'etc/motd': 'App 1.0\n' },
} as const;

test('of two files under the old name of one that was moved, the upper one alone is seen', async () => {
  expect(await cells(SANDBOX, ['mv etc/motd etc/m'], 'etc/motd')).toEqual([
    'box whiteout',
    'app file shows as etc/m',
    'base file covered',
  ]);
});

test.each([
  ['echo more > tools/run', 'app/run', 'app file covered'],
  ['rm tools/run', 'app/run', 'app file covered'],
  ['rm -r tools/lib; mkdir tools/lib; echo b > tools/lib/a', 'app/lib/a', 'app file covered'],
  ['commit c; echo more > tools/run', 'app/run', 'app file covered'],
  ['chmod 600 tools/run', 'app/run', 'app file shows as tools/run'],
])('in a folder that was moved, after %s', async (lines, path, cell) => {
  expect(await cells(SANDBOX, ['mv app tools', ...lines.split('; ')], path)).toContain(cell);
});

test('what lies under the old name of a folder says by which path it is seen, of a file the name alone', async () => {
  const said = async (line: string, path: string) => {
    const column = await columnAt(SANDBOX, [line], path);
    return column?.cells.flatMap((cell) =>
      cell.seenAs === undefined ? [] : [cellText(cell, path), seenAsText(path, cell.seenAs)],
    );
  };
  expect(await said('mv etc conf', 'etc/hosts')).toEqual([
    'etc/hosts in base: file, 1 B, seen in the union as conf/hosts',
    'as conf/hosts',
  ]);
  expect(await said('mv app/lib/a app/a', 'app/lib/a')).toEqual([
    'app/lib/a in app: file, 1 B, seen in the union as app/a',
    'as app/a',
  ]);
  expect(await said('mv etc/motd etc/m', 'etc/motd')).toEqual([
    'etc/motd in app: file, 8 B, seen in the union as etc/m',
    'as m',
  ]);
  expect(await said('mv app tools', 'app')).toEqual([
    'app in app: folder, seen in the union as tools',
    'as tools',
  ]);
});

test('a whiteout under the old name of a folder hides what lies below it under the new one', async () => {
  const lines = ['rm app/run', 'commit c', 'mv app tools', 'echo new > tools/run'];
  expect(await cells(SANDBOX, lines, 'app/run')).toContain('app file covered');
});

test('of what a layer has that is left out of the stack it is not said that another one hides it', () => {
  const layer = { id: 'l', name: 'app', bytes: 0, entries: [], more: 0 };
  const cell = { layer, look: 'folder', shows: false, covered: true, names: [] } as const;
  expect(cellText(cell, 'd')).toBe('d in app: folder, hidden by a layer above');
  expect(cellText({ ...cell, layer: { ...layer, hidden: true } }, 'd')).toBe(
    'd in app: folder, left out of the stack',
  );
});
