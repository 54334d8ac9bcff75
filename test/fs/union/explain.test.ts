import { describe, expect, test } from 'vitest';
import { O_TRUNC, O_WRONLY } from '../../../fs/filesystem.js';
import type { WritableFile } from '../../../fs/layer/layer.js';
import { type Description, rig } from './stacks.js';

/** Findings from the top, then the layer that wins. */
function explain(descriptions: Description[], path: string, change?: (r: ReturnType<typeof rig>) => void) {
  const r = rig(descriptions);
  change?.(r);
  const explanation = r.union.explain(path);
  const { result } = explanation;
  return {
    ...explanation,
    findings: explanation.layers.map(({ finding }) => finding),
    winner: result === 'absent' ? 'absent' : result.layer,
  };
}

test('a lower file hides what is below, and a write would copy it', () => {
  const found = explain([{}, { f: 'four' }, { f: 'hidden' }], 'f');
  expect(found.findings).toEqual(['nothing', 'nothing', 'file', 'not-looked']);
  expect(found).toMatchObject({ kind: 'file', winner: 'lower1', onWrite: { copiesBytes: 4 } });
  expect(found.onDelete).toBe('A whiteout in the upper hides it; nothing is removed below.');
  expect(found.layers[0]).toEqual({ id: 'upper', role: 'upper', finding: 'nothing' });
});

test('a whiteout ends the search', () => {
  const found = explain([{ d: {}, 'd/f': 'f' }], 'd/f', ({ paths }) => paths.unlink('d/f'));
  expect(found.findings).toEqual(['whiteout', 'not-looked']);
  expect(found.winner).toBe('absent');
  expect(found.why).toBe('Layer upper has a whiteout, which hides it in every layer below.');
});

test('folders are shown as one, down to an opaque one', () => {
  const found = explain([{ d: {} }, { d: { opaque: true } }, { d: {}, 'd/f': 'f' }], 'd');
  expect(found.findings).toEqual(['nothing', 'folder', 'opaque', 'not-looked']);
  expect(found.winner).toBe('lower0');
  expect(found.why).toBe(
    'The folders of layers lower0, lower1 are shown as one; in lower1 it is opaque, so nothing below is looked at.',
  );
});

test('one opaque folder is not said to be the only one, since what lies below is not looked at', () => {
  const { why } = explain([{ d: { opaque: true } }, { d: {}, 'd/f': 'f' }], 'd');
  expect(why).toBe('Layer lower0 has this folder, and it is opaque there, so nothing below is looked at.');
});

test('a folder above a whiteout or a file is not said to be the only one', () => {
  const why = (...below: Description[]) => explain([{ d: {} }, ...below], 'd').why;
  const hidden = { d: {}, 'd/f': 'f' };
  expect(why({ d: null }, hidden)).toBe(
    'Layer lower0 has this folder; a whiteout in lower1 hides whatever the layers below have.',
  );
  expect(why({ d: {} }, { d: 'file' }, hidden)).toBe(
    'The folders of layers lower0, lower1 are shown as one; a file in lower2 hides whatever the layers below have.',
  );
  expect(why({ d: null })).toBe('Only layer lower0 has this folder.');
});

test('what is not looked at for a folder is not looked at for its names', () => {
  const found = explain([{ d: { opaque: true } }, { d: {}, 'd/f': 'f' }], 'd/f');
  expect(found.findings).toEqual(['nothing', 'nothing', 'not-looked']);
  expect(found.winner).toBe('absent');
});

test('a redirect is followed', () => {
  const found = explain([{ a: {}, 'a/f': 'f' }], 'b/f', ({ paths }) => paths.rename('a', 'b'));
  expect(found.findings).toEqual(['nothing', 'file']);
  expect(found.winner).toBe('lower0');
  const folder = explain([{ a: {} }], 'b', ({ paths }) => paths.rename('a', 'b'));
  expect(folder.findings).toEqual(['redirect', 'folder']);
});

test('holes of a lower file are not among what a change copies', () => {
  const costs = (write: (file: WritableFile) => void, names: Description = {}) => {
    const r = rig([{ f: '', ...names }]);
    const file = r.lowers[0]!.hold('', 'f').openWrite();
    write(file);
    file.truncate(3 << 20);
    file.close();
    const { onWrite } = r.union.explain('f');
    r.paths.writeAt('f', 5, 'x');
    const copied = r.events.find(({ kind }) => kind === 'copy-up')?.bytesCopied;
    expect(onWrite?.copiesBytes).toBe(copied);
    return onWrite;
  };
  expect(costs(() => undefined)).toMatchObject({
    copiesBytes: 0,
    does: expect.stringContaining('has no data'),
  });
  const data = new Uint8Array(8192).fill(1);
  const inPieces = costs((file) => {
    file.write(0, data);
    file.write(1 << 20, data);
  });
  expect(inPieces?.copiesBytes).toBe(16_384);
});

test('a file of the upper costs nothing to write, and nothing stays of it', () => {
  const found = explain([{}], 'n', ({ paths }) => paths.write('n', 'new'));
  expect(found).toMatchObject({ winner: 'upper', onWrite: { copiesBytes: 0 } });
  expect(found.onDelete).toBe('It is removed from the upper, and nothing stays.');
});

test('a path through what is missing or no folder is absent', () => {
  expect(explain([{ f: 'f' }], 'x/y')).toMatchObject({
    winner: 'absent',
    why: 'No layer that is looked at has a folder on the way.',
  });
  expect(explain([{ f: 'f' }], 'f/y')).toMatchObject({
    winner: 'absent',
    why: 'A name on the way is no folder.',
  });
});

test('the root is a folder of every layer', () => {
  expect(explain([{}, {}], '').findings).toEqual(['folder', 'folder', 'folder']);
});

test('explaining changes nothing', () => {
  const { union, events, upper } = rig([{ d: {}, 'd/f': 'f' }]);
  union.explain('d/f');
  expect(events).toEqual([]);
  const names: string[] = [];
  upper.list('', (name) => names.push(name));
  expect(names).toEqual([]);
});

test('size, time, mode and redirects of what a layer holds are told', () => {
  const r = rig([{ a: {}, 'a/f': 'four' }]);
  r.paths.rename('a', 'b');
  const { layers, parents } = r.union.explain('b/f');
  expect(layers[1]).toMatchObject({
    finding: 'file',
    size: 4,
    mode: 0o100644,
    mtime: { nsec: expect.any(Number) },
  });
  expect(parents).toMatchObject([
    { path: 'b', layers: [{ finding: 'redirect', redirect: 'a' }, { finding: 'folder' }] },
  ]);
  expect(layers[0]).toEqual({ id: 'upper', role: 'upper', finding: 'nothing' });
});

test('each folder on the way is told with the layers that decided it', () => {
  const { parents } = explain(
    [
      { d: { opaque: true }, 'd/e': {} },
      { d: {}, 'd/e': {} },
    ],
    'd/e/f',
  );
  expect(parents.map(({ path, layers }) => [path, ...layers.map(({ finding }) => finding)])).toEqual([
    ['d', 'nothing', 'opaque', 'not-looked'],
    ['d/e', 'nothing', 'folder', 'not-looked'],
  ]);
});

/** Bytes that were copied by what is done to the union, as its events tell. */
function copied({ events }: ReturnType<typeof rig>): number {
  return events.reduce((sum, { bytesCopied = 0 }) => sum + bytesCopied, 0);
}

test.each([
  ['a lower file', { f: 'lower' }, 'f'],
  ['a lower file with two names', { f: 'lower', g: '=f' }, 'f'],
  ['a lower folder', { f: {}, 'f/g': 'lower' }, 'f'],
])('what explain says of a rename of %s is what it copies', (_, description, path) => {
  const r = rig([description]);
  const { onRename } = r.union.explain(path);
  r.paths.rename(path, 'new');
  expect(copied(r)).toBe(onRename?.copiesBytes);
  const whiteouts = r.events.filter(({ kind }) => kind === 'whiteout').length;
  expect(onRename?.does.includes('whiteout')).toBe(whiteouts === 1);
});

test('what explain says of a rename where data may not stay below is what it copies', () => {
  const r = rig([{ f: 'lower' }], { marks: 'user' });
  r.lowers[0]!.hold('', 'f').chmod(0o4755);
  const { onRename } = r.union.explain('f');
  r.paths.rename('f', 'g');
  expect([copied(r), onRename?.copiesBytes]).toEqual([5, 5]);
});

test('what explain says of a delete and a write is what they copy', () => {
  const r = rig([{ f: 'lower', g: '=f', h: 'high' }]);
  const { onDeleteCopiesBytes } = r.union.explain('f');
  r.paths.unlink('f');
  expect(copied(r)).toBe(onDeleteCopiesBytes);
  const { onWrite } = r.union.explain('h');
  r.paths.writeAt('h', 0, '!');
  expect(copied(r)).toBe((onDeleteCopiesBytes ?? 0) + (onWrite?.copiesBytes ?? 0));
});

test.each([
  ['a lower file', { f: 'lower' }, 'f'],
  ['a lower file with two names', { f: 'lower', g: '=f' }, 'f'],
  ['an empty lower file', { f: '' }, 'f'],
  ['a lower folder', { f: {}, 'f/g': 'lower' }, 'f'],
])('what explain says of a chmod of %s is what it copies', (_, description, path) => {
  const r = rig([description]);
  const { onChmod } = r.union.explain(path);
  r.paths.chmod(path, 0o700);
  expect([copied(r), onChmod?.does]).toEqual([onChmod?.copiesBytes, expect.stringContaining('upper')]);
  expect(r.union.explain(path).onChmod).toEqual({
    copiesBytes: 0,
    does: 'It is changed where it is, in the upper.',
  });
});

test('a chmod where data may not stay below copies all of it, and of a symlink there is none', () => {
  const r = rig([{ f: 'lower' }], { marks: 'user' });
  r.lowers[0]!.hold('', 'f').chmod(0o4755);
  const { onChmod } = r.union.explain('f');
  expect(onChmod).toEqual({ copiesBytes: 5, does: 'It is copied up, all of it, and changed in the upper.' });
  r.paths.chmod('f', 0o700);
  expect(copied(r)).toBe(5);
  r.paths.symlink('f', 'l');
  expect(r.union.explain('l').onChmod).toBeUndefined();
});

describe('a name of a file that was copied up through another name', () => {
  const made = (change: (r: ReturnType<typeof rig>) => void, data = 'lower') => {
    const r = rig([{ d: {}, f: data, 'd/g': '=f', 'd/h': '=f' }], { partsFrom: 4096 });
    change(r);
    return r;
  };

  test('shows the copy, which the index has', () => {
    const r = made(({ paths }) => paths.write('f', 'changed'));
    const { result, shows, layers, why } = r.union.explain('d/g');
    expect(result).toEqual({ layer: 'upper' });
    expect(layers).toMatchObject([
      { finding: 'indexed', role: 'upper', size: 7 },
      { finding: 'file', size: 5 },
    ]);
    expect(shows).toMatchObject({ size: 7, nlink: 3 });
    expect(why).toBe(
      'Layer upper has a copy of this file under another of its names, and the index of hard links in its work folder joins all names to that copy.',
    );
    const { size, nlink } = r.paths.stat('d/g');
    expect({ size, nlink }).toEqual({ size: 7, nlink: 3 });
    expect(r.union.explain('f')).toMatchObject({ shows: { size: 7, nlink: 3 } });
  });

  test.each([
    ['write', 'onWrite', (r: ReturnType<typeof rig>) => r.paths.writeAt('d/g', 0, '!')],
    ['rename', 'onRename', (r: ReturnType<typeof rig>) => r.paths.rename('d/g', 'new')],
    ['chmod', 'onChmod', (r: ReturnType<typeof rig>) => r.paths.chmod('d/g', 0o700)],
  ] as const)('copies nothing more at a %s', (_, field, act) => {
    const r = made(({ paths }) => paths.write('f', 'changed'));
    const before = copied(r);
    expect(r.union.explain('d/g')[field]?.copiesBytes).toBe(0);
    act(r);
    expect(copied(r)).toBe(before);
  });

  test('leaves the others when it is deleted', () => {
    const r = made(({ paths }) => paths.write('f', 'changed'));
    const { onDelete, onDeleteCopiesBytes } = r.union.explain('d/g');
    expect([onDelete, onDeleteCopiesBytes]).toEqual([
      'A whiteout in the upper hides this name; the file stays for its other names.',
      0,
    ]);
    r.paths.unlink('d/g');
    expect(r.union.explain('d/g').result).toBe('absent');
    expect(r.union.explain('d/h').shows).toMatchObject({ size: 7, nlink: 2 });
  });

  test('has its data below where attributes alone were copied, and a write brings it', () => {
    const r = made(({ paths }) => paths.chmod('f', 0o600));
    const { layers, data, why, onWrite } = r.union.explain('d/g');
    expect(layers.map(({ finding }) => finding)).toEqual(['indexed', 'file']);
    expect(data).toEqual({ ownBytes: 0, ownRanges: 0, ranges: [{ from: 0, to: 5, layer: 'lower0' }] });
    expect(why).toContain('its attributes and not its data, which is in layer lower0.');
    r.paths.writeAt('d/g', 0, '!');
    expect(copied(r)).toBe(onWrite?.copiesBytes);
  });

  test('tells the ranges of a copy in part, after a remount too', () => {
    const r = made(({ paths }) => paths.writeAt('f', 5000, '!'), 'x'.repeat(20_000));
    const { data } = r.union.explain('d/g');
    expect(data).toMatchObject({ ownBytes: 4096, ownRanges: 1 });
    expect(data).toEqual(r.union.explain('f').data);
    expect(r.remount().union.explain('d/g').data).toEqual(data);
  });
});

test('sentences call the layers as they are called, and all else has their ids', () => {
  const { union, paths } = rig([{ f: 'lower' }]);
  paths.chmod('f', 0o600);
  const { why, result, data } = union.explain('f', (id) => `<${id}>`);
  expect(why).toBe('Layer <upper> has its attributes and not its data, which is in layer <lower0>.');
  expect([result, data?.ranges[0]?.layer]).toEqual([{ layer: 'upper' }, 'lower0']);
});

describe('a write that empties the file first copies nothing, as explain says', () => {
  const LARGE = 'x'.repeat(20_000);
  type Change = (r: ReturnType<typeof rig>) => void;
  test.each<[string, string, Change]>([
    ['of a lower file', 'lower', () => undefined],
    ['of one with attributes alone in the upper', 'lower', ({ paths }) => paths.chmod('f', 0o600)],
    ['of a large one', LARGE, () => undefined],
    ['of a large one with attributes alone in the upper', LARGE, ({ paths }) => paths.chmod('f', 0o600)],
    ['of one in part', LARGE, ({ paths }) => paths.writeAt('f', 5000, '!')],
    ['of another name', 'lower', ({ paths }) => paths.chmod('g', 0o600)],
  ])('%s', (_, data, change) => {
    const r = rig([{ f: data, g: '=f' }], { partsFrom: 4096 });
    change(r);
    const { onWrite } = r.union.explain('f');
    expect(onWrite?.copiesBytes).toBe(Math.min(data.length, 4096));
    expect(onWrite?.does).toMatch(
      /\. A write that empties the file first, as > of a shell does, copies nothing\.$/,
    );
    const before = copied(r);
    r.paths.fs.release(r.paths.open('f', O_WRONLY | O_TRUNC));
    expect(copied(r)).toBe(before);
  });

  test('and where nothing would be copied anyhow it says nothing of it', () => {
    const r = rig([{ empty: '' }]);
    r.paths.write('n', 'new');
    expect(r.union.explain('n').onWrite?.does).not.toContain('empties');
    expect(r.union.explain('empty').onWrite?.does).not.toContain('empties');
  });
});
