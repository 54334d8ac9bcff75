// Quotas as people type them: `SIZE` or `SIZE:INODES`. A size is bytes, or has a unit of 1024s: `10G`, `512MiB`.

import type { SpaceLimit } from '../../fs/index.js';
import { StoreError } from '../errors.js';

const UNITS = ['', 'K', 'M', 'G', 'T', 'P'];
const QUOTA = /^(\d+(?:\.\d+)?)([KMGTP]?)(?:iB|B)?(?::(\d+))?$/i;

/** The limit that a word says. invalid-argument, naming `word`, for what is none. */
export function parseQuota(word: string, text: string): SpaceLimit {
  const wrong = (why: string) => new StoreError('invalid-argument', `cannot use ${word} ${text}`, why);
  const parts = QUOTA.exec(text);
  if (parts === null) throw wrong('a quota is SIZE or SIZE:INODES, as in 10G or 512M:20000');
  const [, number = '', unit = '', inodes] = parts;
  const bytes = Math.floor(Number(number) * 1024 ** UNITS.indexOf(unit.toUpperCase()));
  if (bytes === 0 || inodes === '0') throw wrong('nothing at all would fit');
  if (!Number.isSafeInteger(bytes) || !Number.isSafeInteger(Number(inodes ?? 0)))
    throw wrong('it is too much');
  return { bytes, ...(inodes === undefined ? {} : { inodes: Number(inodes) }) };
}

/** As `parseQuota` reads it. */
export function quotaText({ bytes, inodes }: SpaceLimit): string {
  return inodes === undefined ? String(bytes) : `${bytes}:${inodes}`;
}
