// What is said of an explanation, in the page and in the terminal, is right for each state of a file.

import { describe, expect, test } from 'vitest';
import type { ExplainedData } from '../../../fs/memory.js';
import { changeTexts, dataText, kindText, rangeTexts, stepText } from '../../../src/web/explained.js';

test.each([
  [0, 0, 'The last step copied up no data.'],
  [7, 0, 'The last step copied up 7 B.'],
  [0, 6_291_456, 'The last step copied up no data; 6.0 MiB need not be copied.'],
  [4096, 6_291_456, 'The last step copied up 4.0 KiB; 6.0 MiB need not be copied.'],
])('a step that copied %d and saved %d bytes', (copied, saved, text) => {
  expect(stepText(copied, saved)).toBe(text);
});

const below = { from: 0, to: 999_424, layer: 'base' };
const own = { from: 999_424, to: 1_003_520, layer: 'box' };
const rest = { from: 1_003_520, to: 6_291_456, layer: 'base' };

describe('where the bytes of a file come from', () => {
  test.each<[string, ExplainedData, string]>([
    [
      'some of them',
      { ownBytes: 4096, ownRanges: 1, ranges: [below, own, rest] },
      '4.0 KiB of its 6.0 MiB are in box, in one range; the other 6.0 MiB come from base.',
    ],
    [
      'none',
      { ownBytes: 0, ownRanges: 0, ranges: [{ from: 0, to: 6_291_456, layer: 'base' }] },
      'None of its 6.0 MiB are in box: all come from base.',
    ],
    [
      'all',
      { ownBytes: 6_291_456, ownRanges: 1, ranges: [{ from: 0, to: 6_291_456, layer: 'box' }] },
      '6.0 MiB of its 6.0 MiB are in box, in one range.',
    ],
  ])('%s in the upper', (_, data, text) => {
    expect(dataText(data, 6_291_456, 'box', String)).toBe(text);
  });

  test('range by range, by their first and last bytes, and how many are left', () => {
    const data = { ownBytes: 4096, ownRanges: 1, ranges: [below, own, rest], moreRanges: 7 };
    expect(rangeTexts(data, 2)).toEqual({
      ranges: [
        { bytes: 'bytes 0 to 999,423', size: '976 KiB', layer: 'base' },
        { bytes: 'bytes 999,424 to 1,003,519', size: '4.0 KiB', layer: 'box' },
      ],
      more: 8,
    });
  });
});

test('changes are told with what they copy, chmod too, and none where nothing can be changed', () => {
  const base = { path: 'f', result: { layer: 'box' }, parents: [], layers: [], why: '' };
  expect(changeTexts(base)).toEqual([]);
  const texts = changeTexts({
    ...base,
    onDelete: 'It goes.',
    onDeleteCopiesBytes: 0,
    onRename: { copiesBytes: 5, does: 'It moves.' },
    onChmod: { copiesBytes: 0, does: 'It changes.' },
  });
  expect(texts.map(({ what, copies }) => `${what} ${copies}`)).toEqual([
    'delete copies no data',
    'rename copies 5 B',
    'chmod copies no data',
  ]);
  expect(kindText({ ...base, kind: 'file', shows: { mode: 0o644, size: 5, nlink: 2 } })).toBe(
    'file, 2 names',
  );
  expect(kindText({ ...base, result: 'absent' })).toBe('does not exist');
});

test.each([
  [0, 20, 'copies no data'],
  [20, 20, 'copies at most 20 B'],
  [4096, 6_291_456, 'of a byte copies at most 4.0 KiB'],
])('a write that may copy %d of %d bytes', (copiesBytes, size, copies) => {
  const base = { path: 'f', result: { layer: 'box' }, parents: [], layers: [], why: '' };
  const onWrite = { copiesBytes, does: 'It is copied up.' };
  const shows = { mode: 0o644, size };
  expect(changeTexts({ ...base, shows, onWrite })).toEqual([{ what: 'write', copies, does: onWrite.does }]);
});
