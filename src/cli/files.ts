// `mica ls`, `cat` and `cp`: the tree of an image or a snapshot without any mount, through the in-process union.

import {
  type Attr,
  type ByteString,
  basename,
  EISDIR,
  ENOENT,
  ENOTDIR,
  Entry,
  type Filesystem,
  FsError,
  isFolder,
  isRegular,
  isSymlink,
  joinPath,
  kindOf,
  O_RDONLY,
  PERMISSION_BITS,
  ROOT_NODE,
  S_IFMT,
  S_ISGID,
  S_ISUID,
  S_ISVTX,
} from '../../fs/index.js';
import { StoreError } from '../errors.js';
import type { Declare } from './commands.js';
import { instantText, pathFields, quoteName } from './output.js';
import { withTree } from './reading.js';
import { placeMeant, requirePlace } from './words.js';

interface ListWords {
  readonly long?: boolean;
  readonly recursive?: boolean;
  readonly '0'?: boolean;
}

interface Listed {
  readonly path: ByteString;
  readonly attr: Attr;
  readonly target: ByteString | undefined;
}

export const declareLs: Declare = (command, act) => {
  command
    .argument('<word[:path]>', 'a key, snapshot or image, and a folder or file in it')
    .option('-l, --long', 'mode, owner, size and time as well')
    .option('-R, --recursive', 'folders with all that is in them')
    .option('-0', 'end each name with NUL')
    .action(
      act(async (context, text: string, words: ListWords) => {
        const store = await context.store();
        const what = `cannot list ${text}`;
        const place = await requirePlace(store, text, what);
        const entries = await withTree(store, place.snapshot, what, (tree) =>
          list(tree, place.path, what, words.recursive === true),
        );
        const { output } = context;
        if (output.json) return output.document(entries.map(entryJson));
        for (const entry of entries) {
          const prefix = words.long === true ? `${longText(entry.attr)}  ` : '';
          output.nameLine(prefix, entry.path, words['0'] === true);
        }
      }),
    );
};

export const declareCat: Declare = (command, act) => {
  command.argument('<word:path>', 'a file in a key, snapshot or image').action(
    act(async (context, text: string) => {
      const store = await context.store();
      const what = `cannot read ${text}`;
      const place = await requirePlace(store, text, what);
      await withTree(store, place.snapshot, what, async (tree) => {
        const entry = find(tree, place.path, what, true);
        if (isFolder(entry.attr.mode)) throw failure(what, place.path, EISDIR);
        await pour(tree, entry.node, context.signal);
      });
    }),
  );
};

export const declareCp: Declare = (command, act) => {
  command
    .argument('<from>', 'WORD:PATH, or a file or folder of this machine')
    .argument('<to>', 'a path of this machine that does not exist, or KEY:PATH')
    .action(
      act(async (context, from: string, to: string) => {
        const store = await context.store();
        const what = `cannot copy ${from} to ${to}`;
        const { existsSync, statSync } = await import('node:fs');
        const source = from.includes(':') ? await placeMeant(store, from, what) : undefined;
        if (source === undefined) {
          // Neither there nor here: the word that was most likely meant is the first one.
          if (from.includes(':') && !existsSync(from)) await requirePlace(store, from, what);
          const { copyIn } = await import('./copy-in.js');
          return copyIn(context, from, await requirePlace(store, to, what), what);
        }
        const { copyTree } = await import('../images/copy-tree.js');
        const { join } = await import('node:path');
        const { toText } = await import('../../fs/index.js');
        const inFolder =
          statSync(to, { throwIfNoEntry: false })?.isDirectory() === true && source.path !== '';
        const dest = inFolder ? join(to, toText(basename(source.path))) : to;
        const copied = await withTree(store, source.snapshot, what, (tree) =>
          copyTree(tree, source.path, dest, what, { signal: context.signal }),
        );
        if (copied.warning !== undefined) context.output.note(copied.warning);
        if (context.output.json) context.output.document({ path: dest, entries: copied.entries });
        else context.output.line(dest);
      }),
    );
};

/** Copies a file's bytes to stdout at the pace of its reader. */
async function pour(tree: Filesystem, node: number, signal: AbortSignal): Promise<void> {
  const handle = tree.open(node, O_RDONLY);
  try {
    for (let offset = 0; ; ) {
      signal.throwIfAborted();
      const chunk = Buffer.allocUnsafe(256 * 1024);
      const count = tree.read(handle, offset, chunk);
      if (count === 0) return;
      offset += count;
      await new Promise<void>((resolve, reject) => {
        process.stdout.write(chunk.subarray(0, count), (error) => (error ? reject(error) : resolve()));
      });
    }
  } finally {
    tree.release(handle);
  }
}

/** The entries of a folder, or the one file that a path names, ordered by name. */
function list(tree: Filesystem, path: ByteString, what: string, recursive: boolean): readonly Listed[] {
  const top = find(tree, path, what, false);
  if (!isFolder(top.attr.mode)) return [listed(tree, basename(path), top)];
  const entries: Listed[] = [];
  const visit = (node: number, prefix: ByteString): void => {
    for (const name of namesIn(tree, node)) {
      const entry = new Entry();
      if (!tree.lookup(node, name, entry)) continue;
      entries.push(listed(tree, joinPath(prefix, name), entry));
      if (recursive && isFolder(entry.attr.mode)) visit(entry.node, joinPath(prefix, name));
      tree.forget(entry.node, 1);
    }
  };
  visit(top.node, '');
  return entries;
}

function listed(tree: Filesystem, path: ByteString, entry: Entry): Listed {
  return {
    path,
    attr: entry.attr,
    target: isSymlink(entry.attr.mode) ? tree.readlink(entry.node) : undefined,
  };
}

function namesIn(tree: Filesystem, node: number): readonly ByteString[] {
  const names: ByteString[] = [];
  const handle = tree.opendir(node);
  tree.readdir(handle, 0, (name) => {
    if (name !== '.' && name !== '..') names.push(name);
    return true;
  });
  tree.releasedir(handle);
  return names.sort();
}

/** The entry at a path; symlinks on the way, and the last one if `follow`, are resolved inside the tree. */
export function find(tree: Filesystem, path: ByteString, what: string, follow: boolean): Entry {
  let entry = rootOf(tree);
  const above: Entry[] = [];
  let rest = path.split('/').filter((part) => part !== '');
  for (let links = 0; rest.length > 0; ) {
    const [name = '', ...others] = rest;
    rest = others;
    if (name === '.') continue;
    if (name === '..') {
      entry = above.pop() ?? rootOf(tree);
      continue;
    }
    if (!isFolder(entry.attr.mode)) throw failure(what, path, ENOTDIR);
    const next = new Entry();
    if (!tree.lookup(entry.node, name, next)) throw failure(what, path, ENOENT);
    if (!isSymlink(next.attr.mode) || (rest.length === 0 && !follow)) {
      above.push(entry);
      entry = next;
      continue;
    }
    if (++links > 40) throw new StoreError('failed', what, 'too many symlinks');
    const target = tree.readlink(next.node);
    if (target.startsWith('/')) {
      entry = rootOf(tree);
      above.length = 0;
    }
    rest = [...target.split('/').filter((part) => part !== ''), ...rest];
  }
  return entry;
}

function rootOf(tree: Filesystem): Entry {
  const root = new Entry();
  root.node = ROOT_NODE;
  tree.getattr(ROOT_NODE, root.attr);
  return root;
}

function failure(what: string, path: ByteString, errno: number): StoreError {
  const error = new FsError(errno);
  const kind = errno === ENOENT ? 'not-found' : 'failed-precondition';
  return new StoreError(kind, what, `${quoteName(path)}: ${error.message}`);
}

function entryJson({ path, attr, target }: Listed): object {
  return {
    ...pathFields(path),
    kind: kindOf(attr.mode),
    mode: attr.mode & PERMISSION_BITS,
    uid: attr.uid,
    gid: attr.gid,
    size: isRegular(attr.mode) ? attr.size : 0,
    mtime: instantText(attr.mtimeSec, attr.mtimeNsec),
    ...(target === undefined ? {} : { target: pathFields(target).path }),
  };
}

/** RFC 3339 with nanoseconds. */

const TYPE_LETTERS: Readonly<Record<ReturnType<typeof kindOf>, string>> = {
  file: '-',
  folder: 'd',
  symlink: 'l',
  fifo: 'p',
  socket: 's',
  char: 'c',
  block: 'b',
};

function longText(attr: Attr): string {
  const owner = `${attr.uid}:${attr.gid}`;
  return `${modeText(attr.mode)}  ${owner.padEnd(9)}  ${String(attr.size).padStart(10)}  ${instantText(attr.mtimeSec, attr.mtimeNsec).slice(0, 19)}`;
}

/** `-rwsr-xr-x`, as ls(1) has it. */
function modeText(mode: number): string {
  const triple = (shift: number, special: boolean, letter: string): string => {
    const bits = (mode >> shift) & 7;
    const last = special ? ((bits & 1) !== 0 ? letter : letter.toUpperCase()) : (bits & 1) !== 0 ? 'x' : '-';
    return `${(bits & 4) !== 0 ? 'r' : '-'}${(bits & 2) !== 0 ? 'w' : '-'}${last}`;
  };
  const type = TYPE_LETTERS[kindOf(mode & (S_IFMT | PERMISSION_BITS))];
  const user = triple(6, (mode & S_ISUID) !== 0, 's');
  const group = triple(3, (mode & S_ISGID) !== 0, 's');
  return `${type}${user}${group}${triple(0, (mode & S_ISVTX) !== 0, 't')}`;
}
