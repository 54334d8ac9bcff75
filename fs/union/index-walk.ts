// Answers that the index gives alone: names, attributes and listings of folders in which the upper has nothing.
// They make no inode and ask no kernel. Whatever is not as plain as that is left to the whole search (lookup.ts).

import type { Attr, DirVisitor, Entry, NodeId } from '../filesystem.js';
import type { ByteString } from '../name.js';
import type { IndexedNodes } from './indexed-nodes.js';
import type { Inode } from './inode.js';
import type { Stack } from './stack.js';

/** Cookies of '.' and '..', which come before all others. */
export const DOTS = 2;

/** As Filesystem.lookup; undefined where the index alone cannot tell. */
export function lookupInIndex(
  stack: Stack,
  parent: NodeId,
  name: ByteString,
  out: Entry,
): boolean | undefined {
  const { indexed, table } = stack;
  const folder = table.folderInIndex(parent);
  if (indexed === undefined || folder === 0) return undefined;
  const nid = indexed.tree.lookup(folder, name);
  if (nid === 0) return false;
  if (!isPlain(stack, indexed, nid, out)) return undefined;
  indexed.found(nid, parent, indexed.tree.nameAt, indexed.tree.nameLength);
  return true;
}

/** As Filesystem.getattr; false where the index alone cannot tell. */
export function statInIndex({ indexed, table }: Stack, node: NodeId, out: Attr): boolean {
  if (indexed === undefined || table.has(node)) return false;
  const nid = indexed.nidOf(node);
  return nid !== 0 && indexed.lookups(nid) > 0 && indexed.stat(nid, out);
}

/** As Filesystem.readdir of a folder in the index from cookie `from` on, without '.' and '..'. */
export function listInIndex(stack: Stack, folder: number, from: number, visit: DirVisitor): void {
  const { tree } = stack.indexed!;
  tree.entries(folder, from - DOTS, (nid, type, position) => {
    const name = tree.text(tree.nameAt, tree.nameLength);
    return visit(name, stack.indexed!.number(nid), type, position + DOTS + 1);
  });
}

/**
 * As Filesystem.readdirPlus from cookie `from` on, without '.' and '..', of a folder that was taken `inIndex`. `wholly` hands out an entry that the index alone
 * cannot tell, and is told and answers as the visitor is and does.
 */
export function listPlusInIndex(
  stack: Stack,
  folder: Inode,
  inIndex: number,
  from: number,
  out: Entry,
  visit: DirVisitor,
  wholly: DirVisitor,
): void {
  const indexed = stack.indexed!;
  const { tree } = indexed;
  tree.entries(inIndex, from - DOTS, (nid, type, position) => {
    const { nameAt, nameLength } = tree;
    const name = tree.text(nameAt, nameLength);
    const next = position + DOTS + 1;
    if (folder.upper || folder.nid === 0 || !isPlain(stack, indexed, nid, out))
      return wholly(name, indexed.number(nid), type, next);
    if (!visit(name, out.attr.ino, type, next)) return false;
    indexed.found(nid, folder.node, nameAt, nameLength);
    return true;
  });
}

/** Fills `out` with what the index says; false for an object of which there is more to be known. */
function isPlain({ table }: Stack, indexed: IndexedNodes, nid: number, out: Entry): boolean {
  if (!indexed.describe(nid, out)) return false;
  return table.byIno(out.attr.ino) === undefined && !table.has(out.node);
}
