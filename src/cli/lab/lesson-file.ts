// A lesson that somebody wrote, for `mica lab --lesson`: read and looked through before a page is served with it.

import { readFileSync } from 'node:fs';
import { StoreError } from '../../errors.js';
import { wrongWith } from '../../web/lesson-check.js';
import { LessonTextError, lessonIn } from '../../web/lesson-text.js';

/** A lesson as JSON; not-found, or invalid-argument with the field that is wrong. */
export function readLesson(file: string): string {
  const what = `cannot use the lesson ${file}`;
  const hint = 'docs/lessons.md has the words of a lesson';
  let lesson: unknown;
  try {
    lesson = lessonIn(readFileSync(file));
  } catch (error) {
    if (error instanceof LessonTextError)
      throw new StoreError('invalid-argument', what, error.message, { cause: error, hint });
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new StoreError('not-found', what, 'there is no such file', { cause: error });
    if (code === 'EISDIR') throw new StoreError('invalid-argument', what, 'it is a folder', { cause: error });
    throw error;
  }
  const wrong = wrongWith(lesson);
  if (wrong !== '') throw new StoreError('invalid-argument', what, wrong, { hint });
  return JSON.stringify(lesson);
}
