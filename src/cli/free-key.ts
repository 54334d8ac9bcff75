// A name for what a person did not name.

import { randomBytes } from 'node:crypto';
import { isKind } from '../errors.js';

/** A key that nobody has: the last part of the word and some letters. `stat` fails with not-found for such a key. */
export async function freeKey(word: string, stat: (name: string) => Promise<unknown>): Promise<string> {
  const base = word.replace(/^(image|snapshot):/, '').replace(/^sha256:(.{12}).*$/, '$1');
  const short = base.replace(/^.*\//, '').replace(/[:@].*$/, '') || 'snapshot';
  for (;;) {
    const key = `${short}-${randomBytes(3).toString('hex')}`;
    try {
      await stat(key);
    } catch (error) {
      if (isKind(error, 'not-found')) return key;
      throw error;
    }
  }
}
