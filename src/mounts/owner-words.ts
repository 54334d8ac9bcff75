// Maps of owners as people and engines type them: ranges of three numbers, `LAYERS:SHOWN:COUNT`, which is what
// podman's `--uidmap` and fuse-overlayfs's `uidmapping=` have. fuse-overlayfs parts ranges by colons and podman puts
// one in front of the first, so both are taken.

import { ID_COUNT, type IdRange, type OwnerRules, SQUASHES, type Squash } from '../../fs/index.js';
import { StoreError } from '../errors.js';

/** The ranges of a map. invalid-argument, naming `word`, for what is no map. */
export function parseIdMap(word: string, text: string): readonly IdRange[] {
  const wrong = (why: string) => new StoreError('invalid-argument', `cannot use ${word} ${text}`, why);
  const numbers = text.replace(/^:/, '').split(/[:,]/);
  if (numbers.length % 3 !== 0) throw wrong('a range is LAYERS:SHOWN:COUNT');
  const ranges: IdRange[] = [];
  for (let at = 0; at < numbers.length; at += 3) {
    const [stored = 0, shown = 0, count = 0] = numbers.slice(at, at + 3).map((number) => {
      if (!/^\d{1,10}$/.test(number)) throw wrong(`'${number}' is no number`);
      return Number(number);
    });
    if (count === 0) throw wrong('a range is of one id or more');
    if (Math.max(stored, shown) + count > ID_COUNT) throw wrong(`ids end at ${ID_COUNT - 1}`);
    ranges.push({ stored, shown, count });
  }
  for (const side of ['stored', 'shown'] as const) {
    if (overlap(ranges, side)) throw wrong('two ranges overlap');
  }
  return ranges;
}

function overlap(ranges: readonly IdRange[], side: 'stored' | 'shown'): boolean {
  const sorted = [...ranges].sort((a, b) => a[side] - b[side]);
  return sorted.some((range, i) => {
    const before = sorted[i - 1];
    return before !== undefined && before[side] + before.count > range[side];
  });
}

/** One id. invalid-argument, naming `word`, for what is none. */
export function parseId(word: string, text: string): number {
  const id = /^\d{1,10}$/.test(text) ? Number(text) : ID_COUNT;
  if (id >= ID_COUNT) throw new StoreError('invalid-argument', `cannot use ${word}`, `'${text}' is no id`);
  return id;
}

/** invalid-argument, naming `word`, for what is no way to squash. */
export function parseSquash(word: string, text: string): Squash {
  const squash = SQUASHES.find((one) => one === text);
  if (squash !== undefined) return squash;
  throw new StoreError('invalid-argument', `cannot use ${word} ${text}`, `it is ${SQUASHES.join(', ')}`);
}

/** The rules as words, for lists: `0:100000:65536`, `squash=all`; users and groups apart where they differ. */
export function ownersText({ uids, gids }: OwnerRules): string {
  const [ofUids, ofGids] = [uids, gids].map(({ ranges = [], squash, squashTo }) =>
    [
      ranges.map(({ stored, shown, count }) => `${stored}:${shown}:${count}`).join(','),
      squash === undefined ? '' : `squash=${squash}${squashTo === undefined ? '' : `:${squashTo}`}`,
    ]
      .filter((word) => word !== '')
      .join(' '),
  );
  if (ofUids === ofGids) return ofUids ?? '';
  return [ofUids && `uid ${ofUids}`, ofGids && `gid ${ofGids}`].filter(Boolean).join(' ');
}
