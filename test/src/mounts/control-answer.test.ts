import { expect, test } from 'vitest';
import { type Answer, AnswerReader, sentOf } from '../../../src/mounts/control-answer.js';

/** The answers that come out of bytes that come in pieces of `length`. */
function inPieces(bytes: Uint8Array, length: number): Answer[] {
  const answers: Answer[] = [];
  const reader = new AnswerReader((answer) => answers.push(answer));
  for (let at = 0; at < bytes.length; at += length) reader.push(bytes.subarray(at, at + length));
  return answers;
}

test('answers come whole and in order, in whatever pieces they travel', () => {
  const answers: Answer[] = [
    { reply: { lastSeq: 9, records: Buffer.from('a\n{"b\n'), codes: ['stat'] } },
    { reply: {} },
    { reply: { lastSeq: 9, records: Buffer.alloc(0), codes: [] } },
    { error: { what: 'cannot do', why: 'it is busy' } },
  ];
  const bytes = Buffer.concat(answers.flatMap(sentOf));
  for (let length = 1; length <= bytes.length; length++) expect(inPieces(bytes, length)).toEqual(answers);
});

test('a line that is no JSON is an answer that says so, and those after it are heard', () => {
  const [nonsense, next] = inPieces(Buffer.from('nonsense\n{"reply":{"size":1}}\n'), 100);
  expect(nonsense).toMatchObject({ error: { why: 'it is not JSON' } });
  expect(next).toEqual({ reply: { size: 1 } });
});
