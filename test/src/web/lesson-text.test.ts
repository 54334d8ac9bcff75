// What is wrong with the text of a lesson, told by its place: for exactly the texts that JSON.parse refuses.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { faultIn, lessonIn } from '../../../src/web/lesson-text.js';

const bytes = (text: string) => new TextEncoder().encode(text);

test.each([
  ['', 'line 1, column 1: the file ends here, and something is not closed'],
  ['{"a": 1,\n}', 'line 2, column 1: a name in double quotes is wanted here, and no comma before }'],
  ['{\n "a": "he said "no""}', 'line 2, column 17: a comma or } is wanted here'],
  [
    '["a\nb"]',
    'line 1, column 2: this text has no end in its line (a quote in it is \\", a new line \\n), or a \\ that means nothing',
  ],
  ['[1 2]', 'line 1, column 4: a comma or ] is wanted here'],
  ['{"a" 1}', 'line 1, column 6: a colon is wanted here'],
  ["{'a': 1}", 'line 1, column 2: a name in double quotes or } is wanted here'],
  ['{} {}', 'line 1, column 4: nothing more is wanted here'],
  [`"${'x'.repeat(3_000_000)}" x`, 'line 1, column 3000004: nothing more is wanted here'],
])('%#: the place of the fault and what is wanted there', (text, fault) => {
  expect(faultIn(text)).toBe(fault);
  expect(() => lessonIn(bytes(text))).toThrow(`it is not JSON: ${fault}`);
});

test('a fault is found in what JSON.parse refuses, and in nothing else', () => {
  const change = fc.record({
    at: fc.nat(),
    drop: fc.nat(2),
    put: fc.constantFrom(...'{}[],:"\\0-.e+1x\n\t\x7f/', ''),
  });
  fc.assert(
    fc.property(fc.json(), change, (json, { at, drop, put }) => {
      const place = at % (json.length + 1);
      const text = json.slice(0, place) + put + json.slice(place + drop);
      expect([text, faultIn(text) === undefined]).toEqual([text, parses(text)]);
    }),
    { numRuns: 3000 },
  );
});

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

test('a byte order mark in front is no fault, and another encoding is told', () => {
  expect(lessonIn(Uint8Array.of(0xef, 0xbb, 0xbf, ...bytes('{"a":"ü"}')))).toEqual({ a: 'ü' });
  for (const encoding of ['latin1', 'utf16le'] as const)
    expect(() => lessonIn(Buffer.from('\ufeff{"a":"ü"}', encoding))).toThrow(
      'it is not UTF-8: save it as that',
    );
});
