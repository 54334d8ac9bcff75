// `--compression` and SOURCE_DATE_EPOCH: what the bytes of a layer that is written depend on beside its tree.

import { InvalidArgumentError } from 'commander';
import type { Compression } from '../diff/compression.js';
import { StoreError } from '../errors.js';

const COMPRESSIONS: readonly Compression[] = ['none', 'gzip', 'zstd'];
export const COMPRESSION_WORDS = COMPRESSIONS.join('|');

/** For commander. */
export function compressionWord(word: string): Compression {
  const found = COMPRESSIONS.find((one) => one === word);
  if (found === undefined) throw new InvalidArgumentError(`It is one of ${COMPRESSION_WORDS}.`);
  return found;
}

/**
 * SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch): seconds since 1970; nothing if it is not
 * set. invalid-argument for anything but a whole number: what is ignored in silence is found out too late.
 */
export function sourceDateEpoch(environment: Readonly<Record<string, string | undefined>> = process.env): {
  readonly epochSec?: number;
} {
  const text = environment['SOURCE_DATE_EPOCH'];
  if (text === undefined || text === '') return {};
  if (/^\d{1,11}$/.test(text)) return { epochSec: Number(text) };
  const why = 'it is a whole number of seconds since 1970';
  throw new StoreError('invalid-argument', `cannot use SOURCE_DATE_EPOCH ${text}`, why);
}
