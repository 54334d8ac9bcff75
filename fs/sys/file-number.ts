// File numbers of 64 bits as JavaScript numbers. Nearly all filesystems keep below 2^47, and those numbers stay as
// they are. Some fill the high bits (overlayfs with xino, NFS, 9p, other FUSE servers): such numbers are mixed and
// cut to 47 bits, the same way at every mount, and what then meets another number gets one of its own, because two
// files under one number would be taken for two names of one file.

const BIG = 2 ** 47;
/** Of the high half: from here on a number is cut. */
const HIGH = 2 ** 15;
const WORD = 2 ** 32;
/** How far a number may be moved to be its own; beyond that the table is full, which takes more files than there are. */
const MOST_MOVES = 64;

/** What each cut number stands for: the bits that were cut off, and how far it was moved. */
const taken = new Map<number, number>();

/** The number of a file from the halves of st_ino; below 2^48, and no other file's. */
export function fileNumber(low: number, high: number): number {
  return high < HIGH ? high * WORD + low : cut(low, high);
}

function cut(low: number, high: number): number {
  // Three rounds of a Feistel network: nothing is lost before the cut, so number and rest tell files apart.
  let left = high;
  let right = low;
  left = (left ^ mixed(right)) >>> 0;
  right = (right ^ mixed(left)) >>> 0;
  left = (left ^ mixed(right)) >>> 0;
  const wanted = BIG + (left & (HIGH - 1)) * WORD + right;
  const rest = left >>> 15;
  for (let move = 0; move < MOST_MOVES; move++) {
    const number = wanted + move < 2 * BIG ? wanted + move : wanted + move - BIG;
    const meaning = rest * MOST_MOVES + move;
    const known = taken.get(number);
    if (known === meaning) return number;
    if (known !== undefined) continue;
    taken.set(number, meaning);
    return number;
  }
  throw new Error('no number is left for a file');
}

/** The finalizer of MurmurHash3, whose bits all depend on each other. */
function mixed(word: number): number {
  let hash = word ^ (word >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
