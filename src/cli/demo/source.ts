// The demo's source: a folder of real files, copied from the running Node's own installation, so that whoever
// runs it owns them all. Its layers are then made by changing that folder, as a build would, and writing down
// what changed.

import {
  chmodSync,
  constants,
  copyFileSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromBytes, isUtf8, toText } from '../../../fs/index.js';
import { StoreError } from '../../errors.js';

const MOST_ENTRIES = 6000;
const MOST_BYTES = 120 * 1024 * 1024;
/** Leaves out the executable itself. */
const MOST_BYTES_OF_A_FILE = 16 * 1024 * 1024;
const FEWEST_ENTRIES = 300;

export interface Copied {
  /** Where the files come from, for people. */
  readonly origin: string;
  entries: number;
  bytes: number;
}

/** Copies the Node installation into `folder`, which must not exist. Times keep their microseconds. */
export function copyNodeInstallation(folder: string, signal: AbortSignal): Copied {
  const prefix = dirname(dirname(process.execPath));
  const copied: Copied = { origin: prefix, entries: 0, bytes: 0 };
  const copy = (from: string, to: string): void => copyInto(from, join(folder, to), copied, signal);
  mkdirSync(folder, { mode: 0o755 });
  for (const part of ['lib/node_modules', 'include/node', 'share/doc/node', 'share/nodejs']) {
    copy(join(prefix, part), part);
  }
  if (copied.entries < FEWEST_ENTRIES) {
    const packages = fileURLToPath(new URL('../../../../node_modules', import.meta.url));
    copy(packages, 'lib/node_modules');
    return { ...copied, origin: packages };
  }
  return copied;
}

function copyInto(from: string, to: string, copied: Copied, signal: AbortSignal): void {
  const stat = lstatSync(from, { throwIfNoEntry: false });
  if (stat === undefined || copied.entries >= MOST_ENTRIES) return;
  if (stat.isDirectory()) {
    signal.throwIfAborted();
    const names = readableNames(from);
    if (names === undefined) return;
    mkdirSync(to, { recursive: true, mode: 0o755 });
    copied.entries++;
    for (const name of names) copyInto(join(from, name), join(to, name), copied, signal);
    // Writable for its owner, because the demo changes what it copied.
    chmodSync(to, (stat.mode & 0o7777) | 0o700);
    utimesSync(to, stat.atime, stat.mtime);
  } else if (stat.isSymbolicLink()) {
    symlinkSync(readlinkSync(from), to);
    lutimesSync(to, stat.atime, stat.mtime);
    copied.entries++;
  } else if (stat.isFile() && stat.size <= MOST_BYTES_OF_A_FILE && copied.bytes + stat.size <= MOST_BYTES) {
    if (!copyFile(from, to)) return;
    chmodSync(to, (stat.mode & 0o777) | 0o600);
    utimesSync(to, stat.atime, stat.mtime);
    copied.entries++;
    copied.bytes += stat.size;
  }
}

/** undefined for a folder that this user may not list. Names that are not UTF-8 are left out: this is Node's own tree. */
function readableNames(folder: string): readonly string[] | undefined {
  try {
    const names = readdirSync(folder, { encoding: 'buffer' }).map((name) => fromBytes(name));
    return names.filter(isUtf8).map(toText).sort();
  } catch (error) {
    if (isDenied(error)) return undefined;
    throw error;
  }
}

/** False for a file that this user may not read. */
function copyFile(from: string, to: string): boolean {
  try {
    copyFileSync(from, to, constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if (isDenied(error)) return false;
    throw error;
  }
}

function isDenied(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EPERM');
}

/** Refuses a source with too little in it to show anything. */
export function assertEnough(copied: Copied): void {
  if (copied.entries >= FEWEST_ENTRIES) return;
  throw new StoreError(
    'failed',
    'cannot make an image of this Node',
    `only ${copied.entries} files found in ${copied.origin}`,
    {
      hint: 'mica demo IMAGE.tar',
    },
  );
}
