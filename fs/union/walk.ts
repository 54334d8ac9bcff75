// Walking a union from within the process, without a mount.

import { ENOENT, FsError, ifAllowed } from '../errno.js';
import { type Attr, Entry, type NodeId } from '../filesystem.js';
import { isFolder } from '../mode.js';
import { type ByteString, joinPath } from '../name.js';
import type { Union } from './union.js';

/** One step of a walk. `node` is good until the next step, and `attr` is filled anew with it. */
export interface Walked {
  readonly path: ByteString;
  readonly node: NodeId;
  readonly attr: Attr;
}

/**
 * Everything below a path ('' is the root), a folder before what is in it; no symlink is followed. ENOENT if the
 * path does not exist, ENOTDIR if it is no folder. EACCES for a folder that this process may not list, unless such are
 * `skipped`.
 */
export function* walk(union: Union, path: ByteString = '', { skipped = false } = {}): Generator<Walked> {
  const entry = new Entry();
  if (!union.resolvePath(path, entry)) throw new FsError(ENOENT, 'walk');
  const way: OnTheWay[] = [{ path, node: entry.node, left: undefined }];
  try {
    for (let last = way.at(-1); last !== undefined; last = way.at(-1)) {
      const { node: folder } = last;
      const list = () => namesIn(union, folder).reverse();
      last.left ??= skipped ? ifAllowed(list, []) : list();
      const name = last.left.pop();
      if (name === undefined) {
        way.pop();
        union.forget(folder, 1);
        continue;
      }
      const isThere = () => union.lookup(folder, name, entry);
      if (!(skipped ? ifAllowed(isThere, false) : isThere())) continue;
      const { node, attr } = entry;
      const at = joinPath(last.path, name);
      way.push({ path: at, node, left: isFolder(attr.mode) ? undefined : [] });
      yield { path: at, node, attr };
    }
  } finally {
    for (const { node } of way.reverse()) union.forget(node, 1);
  }
}

/** What was met and is held until all in it was; a tree may be deeper than calls can be nested. */
interface OnTheWay {
  readonly path: ByteString;
  readonly node: NodeId;
  /** The last one comes next; undefined for a folder that was not listed yet. */
  left: ByteString[] | undefined;
}

function namesIn(union: Union, folder: NodeId): ByteString[] {
  const names: ByteString[] = [];
  const handle = union.opendir(folder);
  try {
    union.readdir(handle, 0, (name) => {
      if (name !== '.' && name !== '..') names.push(name);
      return true;
    });
  } finally {
    union.releasedir(handle);
  }
  return names;
}
