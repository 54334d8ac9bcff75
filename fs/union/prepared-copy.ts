// Copies of data that take long are made aside, before the copy-up that wants them. The copy is staged as copy-up.ts
// stages it, without a name, so that until it is taken nothing of it is to be seen; meanwhile everything else goes on,
// also with the file itself: it may be read, come to the upper without its data, get another name or lose its last one.
// Who takes the copy looks at how the file is by then; a copy that nobody takes is thrown away.

import { attempt } from '../errno.js';
import type { Attr, Timestamp } from '../filesystem.js';
import { Later, type Task, type TaskResult } from '../later.js';
import type { LayerFile, LayerNode, Staged, WritableFile } from '../layer/layer.js';
import type { Amounts } from './copy-data.js';
import { openSource } from './data-below.js';
import type { Inode } from './inode.js';
import type { LongWork } from './long-work.js';
import type { Stack } from './stack.js';

/** What is copied at once while others wait: about a millisecond from memory to memory. */
const SHORT_COPY = 1 << 20;

/** A copy of the data, staged; whoever has it publishes or discards it. */
export interface Prepared {
  readonly staged: Staged;
  readonly data: WritableFile;
  readonly amounts: Amounts;
  /** The source's time of access before it was read for the copy. */
  readonly atime: Timestamp;
}

/** What is to be copied of an inode. */
export interface Wanted {
  /** Its topmost object, and the attributes of that, which the copy gets. */
  readonly source: LayerNode;
  readonly attr: Attr;
  /** Bytes of its data, from the start. */
  readonly size: number;
  /** That is all of it. */
  readonly whole: boolean;
}

/** A staged object with what is wanted. undefined where it is to be made at once; Later while it is made aside. */
export function preparedCopy(stack: Stack, inode: Inode, wanted: Wanted): Prepared | undefined {
  const { size } = wanted;
  const { work } = stack;
  if (work === undefined) return undefined;
  const { prepared } = inode;
  if (prepared !== undefined) {
    if (prepared.errno === undefined) throw new Later(prepared);
    const taken = prepared.take(size);
    if (taken !== undefined) return taken;
  }
  if (size <= SHORT_COPY || stack.lowersChange) return undefined;
  return begin(stack, work, inode, wanted);
}

function begin(
  stack: Stack,
  work: LongWork,
  inode: Inode,
  { source, attr, size, whole }: Wanted,
): Prepared | undefined {
  const upper = stack.writable();
  const atime = { sec: attr.atimeSec, nsec: attr.atimeNsec };
  const staged = upper.stage({ mode: attr.mode, uid: attr.uid, gid: attr.gid });
  let data: WritableFile | undefined;
  let from: LayerFile | undefined;
  let isOwned = false;
  try {
    data = staged.openWrite();
    from = openSource(stack, inode, source);
    if (whole && data.cloneFrom(from)) {
      isOwned = true;
      from.close();
      return { staged, data, amounts: { bytesCopied: 0, bytesSaved: size }, atime };
    }
    data.truncate(size);
    from.stat(stack.attr);
    data.expect?.(Math.min(size, stack.attr.blocks * 512));
    const copy = new PreparedCopy(stack, work, inode, { staged, data, from, size, atime });
    // A copy without a name is gone after a power cut anyway.
    if (!work.copy(from, data, size, !inode.removed && !upper.volatile, copy)) return undefined;
    isOwned = true;
    copy.begin();
    throw new Later(copy);
  } finally {
    if (!isOwned) {
      from?.close();
      data?.close();
      staged.discard();
    }
  }
}

interface Parts {
  readonly staged: Staged;
  readonly data: WritableFile;
  readonly from: LayerFile;
  readonly size: number;
  readonly atime: Timestamp;
}

/** The copy of one inode while it is made, and until somebody has taken it. */
export class PreparedCopy implements Task {
  readonly #stack: Stack;
  readonly #work: LongWork;
  readonly #inode: Inode;
  readonly #parts: Parts;
  #errno: number | undefined;
  #bytesCopied = 0;
  #isTaken = false;

  constructor(stack: Stack, work: LongWork, inode: Inode, parts: Parts) {
    this.#stack = stack;
    this.#work = work;
    this.#inode = inode;
    this.#parts = parts;
  }

  get errno(): number | undefined {
    return this.#errno;
  }

  begin(): void {
    this.#inode.prepared = this;
    this.#inode.pins++;
  }

  finish({ errno, bytes }: TaskResult): void {
    this.#errno = errno;
    this.#bytesCopied = bytes;
    this.#parts.data.expect?.(0);
    this.#parts.from.close();
  }

  abandon(): void {
    this.#work.cancel(this);
  }

  /** Hands over a copy of `size` bytes; undefined, and the copy is thrown away, if it has fewer. */
  take(size: number): Prepared | undefined {
    if (size > this.#parts.size || this.#errno !== 0) {
      this.#drop();
      return undefined;
    }
    const { staged, data, atime } = this.#parts;
    if (size < this.#parts.size) data.truncate(size);
    this.#leave();
    const bytesCopied = Math.min(this.#bytesCopied, size);
    return { staged, data, amounts: { bytesCopied, bytesSaved: size - bytesCopied }, atime };
  }

  end(): void {
    this.#drop();
    this.#stack.table.unpin(this.#inode);
  }

  #drop(): void {
    if (this.#isTaken) return;
    this.#leave();
    // Nobody asked for what becomes of it.
    attempt(() => this.#parts.data.close());
    attempt(() => this.#parts.staged.discard());
  }

  #leave(): void {
    this.#isTaken = true;
    if (this.#inode.prepared === this) this.#inode.prepared = undefined;
  }
}
