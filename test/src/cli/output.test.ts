import { describe, expect, it } from 'vitest';
import { fromText } from '../../../fs/index.js';
import {
  agoText,
  countText,
  durationText,
  pathFields,
  quoteName,
  sizeText,
  tableText,
} from '../../../src/cli/output.js';

describe('names on a terminal', () => {
  it.each([
    ['usr/bin/env', 'usr/bin/env'],
    ['with space', "'with space'"],
    ["it's", "'it'\\''s'"],
    ['Grüße.txt', 'Grüße.txt'],
    ['a\nb', "$'a\\nb'"],
    ['\x1b[2J', "$'\\x1b[2J'"],
  ])('%j is shown as %s', (name, shown) => {
    expect(quoteName(fromText(name))).toBe(shown);
  });

  it('bytes that are not UTF-8 are spelled', () => {
    expect(quoteName('caf\xe9')).toBe("$'caf\\xe9'");
  });
});

describe('paths in JSON', () => {
  it('carry their bytes only where text cannot', () => {
    expect(pathFields(fromText('Grüße'))).toEqual({ path: 'Grüße' });
    expect(pathFields('caf\xe9')).toEqual({ path: 'caf�', pathBase64: 'Y2Fm6Q==' });
  });
});

describe('numbers for people', () => {
  it('have units and commas', () => {
    expect([sizeText(0), sizeText(1023), sizeText(1536), sizeText(20 * 2 ** 20)]).toEqual([
      '0 B',
      '1023 B',
      '1.5 KiB',
      '20 MiB',
    ]);
    expect(countText(4812)).toBe('4,812');
    expect([durationText(8.4), durationText(1400), durationText(125_000)]).toEqual([
      '8 ms',
      '1.4 s',
      '2 min 5 s',
    ]);
    expect(agoText('1970-01-01T00:00:00Z', 7_200_000)).toBe('2 h ago');
  });

  it('stand in columns as wide as their widest cell', () => {
    expect(tableText(['A', 'LONG'], [['xxx', 'y']])).toBe('A    LONG\nxxx  y\n');
  });
});
