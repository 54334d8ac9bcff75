// Where files have data and where they have holes. Two filesystems may tell it differently and both be right, for a
// hole that is stored as zeros is no fault: what they tell is held against the bytes. Bytes are those of a whole file.

import fs from 'node:fs';
import { sys } from '../../dist/fs/index.js';

export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

const BLOCK = 4096;
/** Extended attributes may take a block beside the inode, and do not on both sides. */
const XATTR_BLOCKS = BLOCK / 512;

let zeros = Buffer.alloc(1 << 21);

function isZero(bytes, from, to) {
  if (to - from > zeros.length) zeros = Buffer.alloc(to - from);
  return bytes.subarray(from, to).equals(zeros.subarray(0, to - from));
}

/** Where a file has data, as [start, end] pairs; files of one block or less are not worth asking. */
export function runsOf(path, size) {
  if (size <= BLOCK) return undefined;
  const fd = fs.openSync(path, fs.constants.O_RDONLY);
  try {
    const runs = [];
    for (let at = 0; at < size; ) {
      const start = sys.seekFd(fd, at, SEEK_DATA);
      if (start === undefined) break;
      at = sys.seekFd(fd, start, SEEK_HOLE) ?? size;
      if (at <= start) throw new Error(`${path}: SEEK_HOLE from the data at ${start} leads to ${at}`);
      runs.push([start, at]);
    }
    return runs;
  } finally {
    fs.closeSync(fd);
  }
}

/** Everything outside of the runs is zero. */
export function runsAreTrue(runs, bytes) {
  const ends = [0, ...runs.map(([, end]) => end)];
  const starts = [...runs.map(([start]) => start), bytes.length];
  return ends.every((end, i) => isZero(bytes, Math.min(end, bytes.length), Math.max(end, starts[i])));
}

/** SEEK_DATA from `at` passes over nothing but zeros, and a block of zeros, or the end, is where SEEK_HOLE leads. */
function isTrue([data, hole], at, bytes) {
  const { length } = bytes;
  if (at >= length) return data === 'none' && hole === 'none';
  if (!isZero(bytes, at, data === 'none' ? length : data)) return false;
  const blockEnd = Math.min(length, (Math.floor(hole / BLOCK) + 1) * BLOCK);
  return hole >= at && hole <= length && isZero(bytes, hole, blockEnd);
}

/** Both answers to a seek from `at` are true of the file at the path of their side. */
export function areTrue(answers, at, paths) {
  return answers.every((answer, side) => isTrue(answer, at, fs.readFileSync(paths[side])));
}

/** The one file takes no more space than the other. */
export function isNoLarger(ours, theirs) {
  return Number(ours.blocks) <= Number(theirs.blocks) + XATTR_BLOCKS;
}
