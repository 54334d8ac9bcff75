// Tells the kernel what is not so any more, without having been asked. To drop a name the kernel locks its folder, which
// somebody may hold who waits for an answer, and to drop data it waits for pages that are being read: so the thread that
// serves the mount must never do this, but any other may, since that one goes on to serve meanwhile.

import type { NodeId, Stale } from '../filesystem.js';
import { type ByteString, toBytes } from '../name.js';
import { writeFrom } from '../sys/device.js';
import {
  FUSE_NOTIFY_INVAL_ENTRY,
  FUSE_NOTIFY_INVAL_INODE,
  fuse_notify_inval_entry_out,
  fuse_notify_inval_inode_out,
  fuse_out_header,
} from './abi.js';

const HEADER = fuse_out_header.size;

/** Drops names, and what is kept of nodes. What the kernel does not know is dropped already, and a mount that has ended keeps nothing. */
export function tellStale(device: number, { names, nodes }: Stale): void {
  for (const { folder, name } of names) writeFrom(device, entryNotice(folder, name));
  for (const node of nodes) writeFrom(device, nodeNotice(node));
}

/** fuse_notify_inval_entry_out, and the name with its NUL. */
export function entryNotice(folder: NodeId, name: ByteString): Uint8Array {
  const at = HEADER + fuse_notify_inval_entry_out.size;
  const { bytes, view } = notice(FUSE_NOTIFY_INVAL_ENTRY, at + name.length + 1);
  view.setBigUint64(HEADER + fuse_notify_inval_entry_out.parent, BigInt(folder), true);
  view.setUint32(HEADER + fuse_notify_inval_entry_out.namelen, name.length, true);
  bytes.set(toBytes(name), at);
  return bytes;
}

/** fuse_notify_inval_inode_out of attributes, data and listing. */
export function nodeNotice(node: NodeId): Uint8Array {
  const { bytes, view } = notice(FUSE_NOTIFY_INVAL_INODE, HEADER + fuse_notify_inval_inode_out.size);
  view.setBigUint64(HEADER + fuse_notify_inval_inode_out.ino, BigInt(node), true);
  return bytes;
}

function notice(code: number, length: number): { readonly bytes: Uint8Array; readonly view: DataView } {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(fuse_out_header.len, length, true);
  view.setInt32(fuse_out_header.error, code, true);
  return { bytes, view };
}
