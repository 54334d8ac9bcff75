// What the handlers of one connection share: the filesystem, the request at hand, the reply being made, and
// what was agreed on at INIT.

import { type DirVisitor, Entry, type Filesystem, type Handle, type NodeId } from '../filesystem.js';
import type { PassthroughDevice } from '../sys/index.js';
import { fuse_setxattr_in } from './abi.js';
import { ImplicitHandles } from './implicit-handles.js';
import { Passthrough } from './passthrough.js';
import { BRIEFLY, FOR_EVER, NONE, Reply } from './reply.js';
import { Request } from './request.js';

/** Data bytes of the largest WRITE, and of the largest READ (256 pages). */
export const MAX_WRITE = 1 << 20;
export const MAX_PAGES = 256;
/** Headers and fixed structs before the data; the kernel asks for 80 bytes. */
const HEADROOM = 4096;

/** The answer is `length` bytes of reply body, or a negative errno, or nothing at all. */
export type Outcome = number;
/** For requests that have no reply; no errno is that low. */
export const NO_REPLY = -4096;

/** What the kernel may keep, beyond what it keeps of every mount, and what it is not given. */
export interface Caching {
  /**
   * Others change what the mount shows: names and attributes hold for half a second, data as long as size and mtime
   * are the same, listings not at all.
   */
  readonly briefly?: boolean;
  /** The kernel collects writes and hands them over later; it then knows sizes and times better than anybody. Not with `briefly`. */
  readonly writeback?: boolean;
  /** The attributes of most files are at hand in memory: listings always bring them along. */
  readonly freeAttributes?: boolean;
  /** Files may pass by the server; not with `briefly` and `writeback`. */
  readonly passthrough?: PassthroughDevice;
  /** Nobody needs what was written to be on the disk: fsync(2) succeeds without a request. */
  readonly neverSynced?: boolean;
  /** There are no ACLs (false), or no extended attributes at all. */
  readonly acls?: boolean;
  readonly xattrs?: boolean;
  /** False: st_nlink of every folder is 1. */
  readonly folderLinks?: boolean;
}

export class Conversation {
  /** Who answers; may be changed between two requests for one that shows the same nodes and handles. */
  filesystem: Filesystem;
  readonly request = new Request(MAX_WRITE + HEADROOM);
  readonly reply: Reply;
  readonly caching: Caching;
  /** Filled anew by each handler that needs one. */
  readonly entry = new Entry();
  /** Nodes of which the kernel is to drop what it keeps, as soon as the reply is out. */
  readonly stale: NodeId[] = [];
  readonly visitPlus: DirVisitor;
  /** The minor version that both sides speak; 0 before INIT. */
  minor = 0;
  /** Bytes of fuse_setxattr_in: longer where SETXATTR_EXT was agreed on. */
  setxattrBytes: number = fuse_setxattr_in.compat_size;
  /**
   * File handles are 0, and a node stands for what is open of it. OPENDIR is answered ENOSYS, and OPEN too unless there is
   * `passthrough`: the kernel opens without asking.
   */
  nodesAreHandles = false;
  /**
   * An open with O_TRUNC clears set-id bits and capabilities of its own accord: the kernel leaves the truncation to
   * us, and says only where HANDLE_KILLPRIV_V2 was agreed on whether they go.
   */
  truncatingOpensClear = false;
  readonly implicit: ImplicitHandles;
  /** Set while the kernel asks for opens because it may read and write some files by itself. */
  passthrough: Passthrough | undefined;

  constructor(filesystem: Filesystem, caching: Caching) {
    this.filesystem = filesystem;
    this.caching = caching;
    const valid = caching.briefly === true ? BRIEFLY : FOR_EVER;
    this.reply = new Reply(MAX_WRITE + HEADROOM, valid, caching.folderLinks !== false);
    this.visitPlus = this.reply.direntPlus(this.entry);
    this.implicit = new ImplicitHandles(filesystem);
  }

  /** From now on files may pass by the server. */
  beginPassthrough(device: PassthroughDevice): void {
    this.passthrough = new Passthrough(device, this.filesystem, (node) => this.implicit.drop(node));
    this.reply.changing = this.passthrough.written;
  }

  /** No file does, and the kernel opens without asking. */
  endPassthrough(): void {
    this.passthrough = undefined;
    this.reply.changing = NONE;
  }

  /** The kernel is to keep no attributes of a node. To be called before the reply is made, in whose place the message is. */
  dropAttributes(node: NodeId): void {
    this.caching.passthrough?.tell(this.reply.bytes, this.reply.attrInvalidation(node));
  }

  /** The kernel opens files without asking. */
  get opensUnasked(): boolean {
    return this.nodesAreHandles && this.passthrough === undefined;
  }

  /** The handle that a request reads from: fh at `at`, or the node's own. */
  reader(at: number): Handle {
    return this.nodesAreHandles ? this.implicit.reader(this.request.node) : this.request.u64(at);
  }

  writer(at: number): Handle {
    return this.nodesAreHandles ? this.implicit.writer(this.request.node) : this.request.u64(at);
  }

  /** Gives lookups back. */
  forget(node: NodeId, count: number): void {
    if (this.nodesAreHandles) this.implicit.drop(node);
    this.passthrough?.forget(node);
    this.filesystem.forget(node, count);
  }
}
