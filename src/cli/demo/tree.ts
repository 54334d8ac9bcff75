// A whole tree as data, and what is different between two of them. This is how the demo, and the tests, judge a
// mount: every name with its type, mode, owner, device, size, time of change, xattrs, content, link target, and
// the names that are one file. The numbers of inodes and devices themselves may differ.

import type { ByteString, FileKind } from '../../../fs/index.js';

export interface TreeEntry {
  readonly kind: FileKind;
  /** Permission, set-id and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Devices only, else 0. */
  readonly rdev: number;
  /** Bytes; 0 for what is no regular file. */
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Target of a symlink, SHA-256 of a file's content, else empty. */
  readonly content: string;
  /** `name=<hex>`, ordered by name. */
  readonly xattrs: readonly string[];
  /**
   * 1 for folders. Not compared: as in overlayfs, a name that a middle layer deletes still counts in the file of
   * the layer below. Which names are one file is compared instead.
   */
  readonly nlink: number;
  /** Equal for the names of one file within a tree. */
  readonly file: string;
}

/** Entries by path from the root, without slashes at either end; the root is ''. */
export type Tree = ReadonlyMap<ByteString, TreeEntry>;

export interface Difference {
  readonly path: ByteString;
  /** "mode 644 instead of 755". */
  readonly what: string;
}

export interface CompareOptions {
  /** What an ordinary user's plain copy cannot have is not compared: owners, devices, set-id bits, xattrs but `user.`. */
  readonly ownOnly?: boolean;
}

/** How `actual` differs from `expected`, ordered by path; at most `limit` differences. */
export function compareTrees(
  expected: Tree,
  actual: Tree,
  options: CompareOptions = {},
  limit = 20,
): readonly Difference[] {
  const differences: Difference[] = [];
  const expectedNames = firstNames(expected);
  const actualNames = firstNames(actual);
  const paths = [...new Set([...expected.keys(), ...actual.keys()])].sort();
  for (const path of paths) {
    if (differences.length >= limit) break;
    const wanted = expected.get(path);
    const found = actual.get(path);
    const isDevice = /^(char|block)$/.test((wanted ?? found)?.kind ?? '');
    if (options.ownOnly === true && isDevice) continue;
    if (wanted === undefined) differences.push({ path, what: 'is there and should not be' });
    else if (found === undefined) differences.push({ path, what: 'is missing' });
    else {
      for (const what of entryDifferences(path, wanted, found, options)) differences.push({ path, what });
      const together = expectedNames.get(wanted.file);
      const foundTogether = actualNames.get(found.file);
      if (together !== foundTogether) {
        const names = `one file with ${foundTogether ?? ''} instead of ${together ?? ''}`;
        differences.push({ path, what: names });
      }
    }
  }
  return differences.slice(0, limit);
}

/** The first name of each file, in the order of the tree's paths. */
function firstNames(tree: Tree): ReadonlyMap<string, ByteString> {
  const names = new Map<string, ByteString>();
  for (const path of [...tree.keys()].sort()) {
    const file = tree.get(path)?.file ?? '';
    if (!names.has(file)) names.set(file, path);
  }
  return names;
}

function entryDifferences(
  path: ByteString,
  wanted: TreeEntry,
  found: TreeEntry,
  options: CompareOptions,
): string[] {
  const differences: string[] = [];
  const check = (name: string, expected: unknown, actual: unknown) => {
    if (expected !== actual) differences.push(`${name} ${actual} instead of ${expected}`);
  };
  check('type', wanted.kind, found.kind);
  if (wanted.kind !== found.kind) return differences;
  const own = options.ownOnly === true;
  const bits = own ? 0o777 : 0o7777;
  // The mode of a symlink means nothing, and not every filesystem makes it 777.
  if (wanted.kind !== 'symlink')
    check('mode', (wanted.mode & bits).toString(8), (found.mode & bits).toString(8));
  if (!own) {
    check('owner', `${wanted.uid}:${wanted.gid}`, `${found.uid}:${found.gid}`);
    check('device', wanted.rdev, found.rdev);
  }
  check('size', wanted.size, found.size);
  // No layer says when a name was last made in the root itself.
  if (path !== '') check('time', timeText(wanted.mtimeNs), timeText(found.mtimeNs));
  check(wanted.kind === 'symlink' ? 'target' : 'content', wanted.content, found.content);
  check('xattrs', xattrText(wanted, own), xattrText(found, own));
  return differences;
}

function xattrText({ xattrs }: TreeEntry, own: boolean): string {
  const shown = own ? xattrs.filter((one) => one.startsWith('user.')) : xattrs;
  return shown.join(' ') || 'none';
}

function timeText(ns: bigint): string {
  const seconds = ns / 1_000_000_000n;
  const nanos = ns % 1_000_000_000n;
  return `${seconds}.${String(nanos).padStart(9, '0')}`;
}
