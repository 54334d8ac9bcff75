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
  const { node } = entry;
  try {
    yield* walkFolder(union, node, path, skipped);
  } finally {
    union.forget(node, 1);
  }
}

function* walkFolder(union: Union, folder: NodeId, path: ByteString, skipped: boolean): Generator<Walked> {
  const entry = new Entry();
  const names = skipped ? ifAllowed(() => namesIn(union, folder), []) : namesIn(union, folder);
  for (const name of names) {
    const isThere = () => union.lookup(folder, name, entry);
    if (!(skipped ? ifAllowed(isThere, false) : isThere())) continue;
    const { node, attr } = entry;
    const at = joinPath(path, name);
    const descend = isFolder(attr.mode);
    try {
      yield { path: at, node, attr };
      if (descend) yield* walkFolder(union, node, at, skipped);
    } finally {
      union.forget(node, 1);
    }
  }
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
