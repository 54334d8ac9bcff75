// The changes that a failing filesystem under the upper may stop halfway, each in a folder of the lower of its own;
// and what is to be seen of such a folder: a line an entry.

import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { fromText, RENAME_EXCHANGE, sys } from '../../../fs/index.js';

export interface Change {
  readonly name: string;
  /** Takes more than one step on a filesystem where rename(2) cannot leave a whiteout. */
  readonly inSteps?: true;
  readonly prepare?: (at: (name: string) => string) => void;
  readonly act: (at: (name: string) => string) => void;
}

/** Two of what is copied at once, and some. */
const LARGE = (2 << 20) + 5000;
const OLD_SEC = 1_000_000_000;

function open(path: string, flags: string, act: (fd: number) => void): void {
  const fd = fs.openSync(path, flags, 0o640);
  try {
    act(fd);
  } finally {
    fs.closeSync(fd);
  }
}

const setUser = (path: string) =>
  open(path, 'r', (fd) => sys.setXattr(fd, 'user.new', Uint8Array.of(120), 0));

export const CHANGES_HALFWAY: readonly Change[] = [
  { name: 'write into a lower file', act: (at) => open(at('f'), 'r+', (fd) => fs.writeSync(fd, 'new', 2)) },
  {
    name: 'write into a large lower file',
    act: (at) => open(at('large'), 'r+', (fd) => fs.writeSync(fd, 'new', LARGE - 9)),
  },
  {
    name: 'append to a deep lower file',
    act: (at) => open(at('d/sub/x'), 'a', (fd) => fs.writeSync(fd, 'new')),
  },
  {
    name: 'write into a file whose data lies below',
    prepare: (at) => fs.chmodSync(at('f'), 0o600),
    act: (at) => open(at('f'), 'r+', (fd) => fs.writeSync(fd, 'new', 2)),
  },
  {
    name: 'write into a large file whose data lies below',
    prepare: (at) => fs.chmodSync(at('large'), 0o600),
    act: (at) => open(at('large'), 'r+', (fd) => fs.writeSync(fd, 'new', LARGE - 9)),
  },
  { name: 'truncate a lower file', act: (at) => fs.truncateSync(at('f'), 3) },
  { name: 'chmod a lower file', act: (at) => fs.chmodSync(at('f'), 0o600) },
  { name: 'chown a deep lower folder', act: (at) => fs.chownSync(at('d/sub'), 3, 4) },
  { name: 'chown a lower symlink', act: (at) => fs.lchownSync(at('l'), 3, 4) },
  { name: 'chmod one of two lower links', act: (at) => fs.chmodSync(at('h1'), 0o600) },
  { name: 'set an attribute of a lower file', act: (at) => setUser(at('f')) },
  { name: 'set an attribute of a lower folder', act: (at) => setUser(at('d')) },
  { name: 'link a lower file', act: (at) => fs.linkSync(at('f'), at('e/n')) },
  { name: 'rename a lower file', inSteps: true, act: (at) => fs.renameSync(at('f'), at('d/sub/n')) },
  { name: 'rename a lower file over another', inSteps: true, act: (at) => fs.renameSync(at('f'), at('g')) },
  { name: 'rename a lower folder', inSteps: true, act: (at) => fs.renameSync(at('d'), at('e/n')) },
  {
    name: 'rename a lower folder over an empty one',
    inSteps: true,
    act: (at) => fs.renameSync(at('d'), at('e')),
  },
  {
    name: 'exchange a lower file and a lower folder',
    act: (at) =>
      sys.renameAt(sys.AT_FDCWD, fromText(at('f')), sys.AT_FDCWD, fromText(at('d')), RENAME_EXCHANGE),
  },
  { name: 'unlink a deep lower file', act: (at) => fs.unlinkSync(at('d/sub/x')) },
  { name: 'unlink one of two lower links', act: (at) => fs.unlinkSync(at('h1')) },
  {
    name: 'unlink a copied file',
    prepare: (at) => fs.chmodSync(at('f'), 0o600),
    act: (at) => fs.unlinkSync(at('f')),
  },
  {
    name: 'remove a merged folder that holds whiteouts',
    prepare: (at) => {
      fs.unlinkSync(at('d/sub/x'));
      fs.rmdirSync(at('d/sub'));
      fs.unlinkSync(at('d/a'));
    },
    act: (at) => fs.rmdirSync(at('d')),
  },
  { name: 'create a file in a lower folder', act: (at) => open(at('d/sub/n'), 'wx', () => undefined) },
  { name: 'make a symlink in a lower folder', act: (at) => fs.symlinkSync('target', at('e/n')) },
  {
    name: 'make a folder over a whiteout',
    prepare: (at) => fs.rmdirSync(at('e')),
    act: (at) => fs.mkdirSync(at('e')),
  },
];

/** Makes the folders `NUMBER-0`, `NUMBER-1`, ... for each of the changes. */
export function fillLower(lower: string, copies: number): void {
  for (const [number, { name }] of CHANGES_HALFWAY.entries()) {
    for (let copy = 0; copy < copies; copy++) {
      fillFolder(join(lower, `${number}-${copy}`), /large/.test(name));
    }
  }
}

function fillFolder(folder: string, withLarge: boolean): void {
  const at = (name: string) => join(folder, name);
  fs.mkdirSync(at('d/sub'), { recursive: true });
  fs.mkdirSync(at('e'));
  for (const name of ['f', 'g', 'd/a', 'd/sub/x', 'h1']) fs.writeFileSync(at(name), `content of ${name}`);
  if (withLarge) fs.writeFileSync(at('large'), Buffer.alloc(LARGE, 'large'));
  for (const name of ['f', 'd']) {
    open(at(name), 'r', (fd) => {
      sys.setXattr(fd, 'user.x', Uint8Array.of(120), 0);
      fs.fchownSync(fd, 1, 2);
    });
  }
  fs.chmodSync(at('f'), 0o640);
  fs.linkSync(at('h1'), at('h2'));
  fs.symlinkSync('f', at('l'));
  const names = fs.readdirSync(folder, { recursive: true }) as string[];
  for (const name of [...names, '.']) fs.lutimesSync(at(name), OLD_SEC, OLD_SEC);
}

export interface Seen {
  /** File numbers: compared where the same objects are seen again. */
  readonly numbers: boolean;
  readonly times: 'all' | 'of files' | 'none';
}

/** One line an entry of the folder, itself included, in path order. */
export function seen(folder: string, { numbers, times }: Seen): string[] {
  const lines: string[] = [];
  const look = (name: string): void => {
    const path = join(folder, name);
    const stat = fs.lstatSync(path);
    const words = [name, stat.mode.toString(8), `${stat.uid}:${stat.gid}`, `links=${stat.nlink}`];
    if (numbers) words.push(`ino=${stat.ino}`);
    // The moment of a change is not known beforehand.
    if (times === 'all' || (times === 'of files' && !stat.isDirectory()))
      words.push(stat.mtimeMs < 1.1e12 ? `${stat.mtimeMs}` : 'now');
    if (stat.isSymbolicLink()) words.push(fs.readlinkSync(path));
    if (stat.isFile() || stat.isDirectory()) words.push(...contentOf(path, stat.isFile()));
    lines.push(words.join(' '));
    if (!stat.isDirectory()) return;
    for (const entry of fs.readdirSync(path).sort()) look(join(name, entry));
  };
  look('.');
  return lines;
}

function contentOf(path: string, isFile: boolean): string[] {
  const fd = fs.openSync(path, 'r');
  try {
    const attributes = [...sys.listXattrs(fd)].sort();
    const words = attributes.map((name) => `${name}=${Buffer.from(sys.getXattr(fd, name) ?? []).toString()}`);
    if (isFile) words.push(createHash('sha1').update(fs.readFileSync(fd)).digest('hex'));
    return words;
  } finally {
    fs.closeSync(fd);
  }
}
