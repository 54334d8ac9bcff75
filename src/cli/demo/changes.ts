// The four changes of the demo: what is said about each, how it is made by ordinary file calls, and what it leaves
// in the upper folder on disk.

import { lstatSync } from 'node:fs';
import { type ByteString, basename, dirname } from '../../../fs/index.js';
import { quoteName, sizeText } from '../output.js';
import { append, placeOf, remove, renameFolder, replaceFolder } from './edits.js';
import { marksOf } from './upper.js';

/** A step of the story that changes one place. */
export interface Change {
  readonly title: string;
  readonly about: string;
  readonly question: string;
  /** Makes the change in the tree at `root`. */
  readonly edit: (root: string, path: ByteString) => Promise<void>;
  /** What that left in the upper folder. */
  readonly show: (upper: string, path: ByteString) => readonly string[];
}

export const APPEND: Change = {
  title: 'append to a file of a lower layer',
  about:
    'Lower layers never change, so the file is first copied to the upper, with its attributes. Then the copy is written to.',
  question: 'A line of 30 bytes is appended: how much will the upper hold?',
  edit: (root, path) => append(root, path, 'a line that the demo appended\n'),
  show: (upper, path) => [
    `copy-up: the upper now holds ${quoteName(path)}, ${sizeText(sizeIn(upper, path))}`,
  ],
};

export const REMOVE: Change = {
  title: 'delete a file of a lower layer',
  about:
    'The file cannot be taken out of its layer. A whiteout in the upper, a device with number 0:0, says that the name exists no more.',
  question: 'What will ls -l show in the upper folder?',
  edit: remove,
  show: (upper, path) => [`whiteout: ${kindIn(upper, path)} at ${quoteName(path)} in the upper`],
};

export const REPLACE: Change = {
  title: 'replace a folder as a whole',
  about:
    'A folder is removed and made anew. The new one in the upper carries the opaque mark, so that nothing of the old one shows through.',
  question: 'Without the mark: what would ls in the new folder show?',
  edit: replaceFolder,
  show: (upper, path) => [`opaque mark: ${marksText(upper, path)} on ${quoteName(path)} in the upper`],
};

export const RENAME: Change = {
  title: 'rename a folder of a lower layer',
  about:
    'Copying the folder with all that is in it would be slow. The new name gets a redirect to the old one, which gets a whiteout.',
  question: 'How many files of the folder does that copy?',
  edit: (root, path) => renameFolder(root, path, newName(path)),
  show: (upper, path) => [
    `${quoteName(path)} is now ${quoteName(newName(path))}`,
    `in the upper: ${marksText(upper, newName(path))}, and ${kindIn(upper, path)} at the old name`,
  ],
};

/** What a folder is called after `RENAME`. */
export function newName(path: ByteString): ByteString {
  return `${path}.renamed`;
}

function sizeIn(upper: string, path: ByteString): number {
  return lstatSync(placeOf(upper, path)).size;
}

function kindIn(upper: string, path: ByteString): string {
  const stat = lstatSync(placeOf(upper, path), { throwIfNoEntry: false });
  if (stat === undefined) return 'nothing';
  return stat.isCharacterDevice() && stat.rdev === 0
    ? 'a device 0:0'
    : stat.isFile()
      ? 'a file'
      : 'something else';
}

function marksText(upper: string, path: ByteString): string {
  const marks = marksOf(upper, dirname(path), basename(path));
  return marks.length === 0 ? 'no mark' : marks.join(' and ');
}
