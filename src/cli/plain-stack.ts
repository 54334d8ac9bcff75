// Plain folders as a stack: for `--lower`, without any store.

import { existsSync, realpathSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Dialect, type LowerDescription, type StackDescription, sys } from '../../fs/index.js';
import { StoreError } from '../errors.js';

export interface PlainWords {
  /** Folders, topmost first, separated by colons; `\:` is a colon in a name. */
  readonly lower?: string;
  readonly upper?: string;
  readonly work?: string;
  readonly dialect?: string;
  /** Others change the lowers while they are mounted. */
  readonly lowerChanges?: boolean;
}

/** The folders as a stack. invalid-argument for what is no folder or no dialect. */
export function stackOfFolders(words: PlainWords): StackDescription {
  const dialect = dialectOf(words.dialect ?? 'overlay');
  if (/[^\\:]::[^:]/.test(words.lower ?? '')) {
    const why =
      'layers of data alone (a::b) are read by the kernel only: mount -t overlay, or leave them out';
    throw new StoreError('invalid-argument', 'cannot use --lower', why);
  }
  const lowers = splitFolders(words.lower ?? '').map((path) => ({
    ...describe(path, dialect),
    ...(words.lowerChanges === true ? { changes: true } : {}),
  }));
  if (lowers.length === 0) {
    throw new StoreError('invalid-argument', 'cannot use --lower', 'it names no folder');
  }
  if ((words.upper === undefined) !== (words.work === undefined)) {
    const missing = words.upper === undefined ? '--upper' : '--work';
    throw new StoreError(
      'invalid-argument',
      'cannot mount',
      `--upper and --work go together, and ${missing} is missing`,
    );
  }
  if (words.upper === undefined || words.work === undefined) return { lowers };
  const marks = sys.mayUseTrustedXattrs() ? 'trusted' : 'user';
  const work = folder(words.work);
  return { lowers, upper: { ...describe(words.upper, dialect), marks, work } };
}

function describe(path: string, dialect: Dialect): LowerDescription {
  return { path: folder(path), id: path, dialect };
}

/** The real path of a folder; invalid-argument if it is none. */
export function folder(path: string): string {
  const full = resolve(path);
  if (!existsSync(full))
    throw new StoreError('invalid-argument', `cannot use ${path}`, 'there is no such folder');
  if (!statSync(full).isDirectory()) {
    throw new StoreError('invalid-argument', `cannot use ${path}`, 'it is not a folder');
  }
  return realpathSync(full);
}

function dialectOf(word: string): Dialect {
  if (word === 'overlay' || word === 'wh') return word;
  throw new StoreError('invalid-argument', `cannot use --dialect ${word}`, 'it is overlay or wh');
}

function splitFolders(text: string): readonly string[] {
  return text
    .split(/(?<!\\):/)
    .filter((part) => part !== '')
    .map((part) => part.replaceAll('\\:', ':'));
}
