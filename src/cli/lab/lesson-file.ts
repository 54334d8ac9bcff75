// A lesson that somebody wrote, for `mica lab --lesson`: read and looked through before a page is served with it.

import { readFileSync } from 'node:fs';
import { StoreError } from '../../errors.js';
import { wrongWith } from '../../web/lesson-check.js';

/** The text of a lesson; not-found, or invalid-argument with the field that is wrong. */
export function readLesson(file: string): string {
  const what = `cannot use the lesson ${file}`;
  const hint = 'docs/lessons.md has the words of a lesson';
  let text: string;
  let lesson: unknown;
  try {
    text = readFileSync(file, 'utf8');
    lesson = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new StoreError('invalid-argument', what, `it is not JSON: ${error.message}`, {
        cause: error,
        hint,
      });
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new StoreError('not-found', what, 'there is no such file', { cause: error });
    if (code === 'EISDIR') throw new StoreError('invalid-argument', what, 'it is a folder', { cause: error });
    throw error;
  }
  const wrong = wrongWith(lesson);
  if (wrong !== '') throw new StoreError('invalid-argument', what, wrong, { hint });
  return text;
}
