// The words of a command line are bytes, and Node has made text of them by then: whatever was not UTF-8 is U+FFFD, and would
// be taken for the name of another file.

import { isUtf8 } from 'node:buffer';
import { existsSync, readFileSync } from 'node:fs';
import { StoreError } from '../errors.js';

/** The words of this process as they were typed, NUL behind each (proc(5)). */
const TYPED = '/proc/self/cmdline';

/**
 * invalid-argument for a word that was not UTF-8. `argv` are the last words of this process. Where a system does not tell
 * what was typed, its names of files are UTF-8.
 */
export async function assertUtf8(argv: readonly string[]): Promise<void> {
  if (!argv.some((word) => word.includes('\uFFFD')) || !existsSync(TYPED)) return;
  const typed = readFileSync(TYPED, 'latin1').split('\0').slice(0, -1).slice(-argv.length);
  const wrong = typed.find((word) => !isUtf8(Buffer.from(word, 'latin1')));
  if (wrong === undefined) return;
  const { quoteName } = await import('./output.js');
  throw new StoreError('invalid-argument', `cannot take ${quoteName(wrong)}`, 'it is not UTF-8', {
    hint: 'words are UTF-8; what has another name is reached through its folder',
  });
}
