// What lies in an upper folder on disk, with its marks in words: what a learner sees with `ls -l` and `getfattr`.

import { closeSync, constants, lstatSync, openSync, readdirSync } from 'node:fs';
import { type ByteString, fromBytes, joinPath, sys } from '../../../fs/index.js';
import { quoteName, sizeText } from '../output.js';
import { placeOf } from './edits.js';

const MARKS = ['opaque', 'redirect', 'metacopy'] as const;
const MOST_LINES = 40;

/** The entries below `root`, one line each; folders that say nothing of their own are left out. */
export function upperLines(root: string): readonly string[] {
  const lines: string[] = [];
  visit(root, '', lines);
  const more = lines.length - MOST_LINES;
  return more > 0 ? [...lines.slice(0, MOST_LINES), `… and ${more} more`] : lines;
}

function visit(root: string, folder: ByteString, lines: string[]): void {
  const names = readdirSync(placeOf(root, folder), { encoding: 'buffer' }).map((name) => fromBytes(name));
  const dir = openSync(placeOf(root, folder), constants.O_DIRECTORY);
  try {
    for (const name of names.sort()) {
      const path = joinPath(folder, name);
      const stat = lstatSync(placeOf(root, path));
      const marks = marksAt(dir, name);
      const note = marks.length === 0 ? '' : `  [${marks.join(', ')}]`;
      if (stat.isCharacterDevice() && stat.rdev === 0)
        lines.push(`${quoteName(path)}  [whiteout: a device 0:0]`);
      else if (!stat.isDirectory()) lines.push(`${quoteName(path)}  ${sizeText(stat.size)}${note}`);
      else {
        if (marks.length > 0) lines.push(`${quoteName(path)}/${note}`);
        visit(root, path, lines);
      }
    }
  } finally {
    closeSync(dir);
  }
}

/** The marks of a name in an open folder: `opaque`, `redirect to …`. */
export function marksAt(dir: number, name: ByteString): readonly string[] {
  const found: string[] = [];
  for (const prefix of ['trusted.overlay.', 'user.overlay.']) {
    for (const mark of MARKS) {
      const value = sys.getXattrAt(dir, name, `${prefix}${mark}`);
      if (value === undefined) continue;
      found.push(mark === 'redirect' ? `redirect to ${quoteName(fromBytes(value))}` : mark);
    }
  }
  return found;
}

/** The marks of one entry of the upper folder. */
export function marksOf(root: string, folder: ByteString, name: ByteString): readonly string[] {
  const dir = openSync(placeOf(root, folder), constants.O_DIRECTORY);
  try {
    return marksAt(dir, name);
  } finally {
    closeSync(dir);
  }
}
