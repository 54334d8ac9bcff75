import { expect, test } from 'vitest';
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
