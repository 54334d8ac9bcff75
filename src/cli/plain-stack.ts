// Plain folders as a stack: for `--lower`, without any store.

import { existsSync, realpathSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Dialect, type LowerDescription, type StackDescription, sys } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { splitLayers } from '../mounts/layer-words.js';
import { parseQuota } from '../mounts/quota-words.js';

export interface PlainWords {
  /** Folders, topmost first, as `splitLayers` has them. */
  readonly lower?: string;
  readonly upper?: string;
  readonly work?: string;
  readonly dialect?: string;
  /** Others change the lowers while they are mounted. */
  readonly lowerChanges?: boolean;
  /** What the upper may take, as `parseQuota` has it. */
  readonly quota?: string;
}

/** The folders as a stack. invalid-argument for what is no folder or no dialect. */
export function stackOfFolders(words: PlainWords): StackDescription {
  const dialect = dialectOf(words.dialect ?? 'overlay');
  const { lowers: folders, data } = splitLayers('--lower', words.lower ?? '');
  const describeLower = (path: string): LowerDescription => ({
    ...describe(path.replaceAll('\\:', ':'), dialect),
    ...(words.lowerChanges === true ? { changes: true } : {}),
  });
  const lowers = folders.map(describeLower);
  const layers = { lowers, ...(data.length === 0 ? {} : { data: data.map(describeLower) }) };
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
  const quota = words.quota === undefined ? undefined : parseQuota('--quota', words.quota);
  if (words.upper === undefined || words.work === undefined) {
    if (quota === undefined) return layers;
    throw new StoreError('invalid-argument', 'cannot mount', '--quota is for what --upper takes');
  }
  const marks = sys.mayUseTrustedXattrs() ? 'trusted' : 'user';
  const work = folder(words.work);
  const upper = { ...describe(words.upper, dialect), marks, work } as const;
  return { ...layers, upper: quota === undefined ? upper : { ...upper, quota } };
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
