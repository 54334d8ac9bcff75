// Which open files the kernel reads and writes by itself (FUSE passthrough): those whose data lies in one object for
// good. The kernel wants all opens of a node to be of one kind at a time, and, of those that pass by the server, to name
// one backing id (fs/fuse/iomode.c); a mixture fails with EIO. So each OPEN is asked for, the first one of a node
// decides, and it is decided anew when the last one is released. What the kernel counts is never more than what is
// counted here, because a RELEASE comes after the file is closed.
//
// 1. A descriptor of O_APPEND that appends past the server would append even after fcntl(2) took the flag back
//    (backing_file_open keeps the flags of open(2)), so its reads and writes are served.
// 2. A mapping may outlive its descriptor, and what is written through it changes times without a request. So
//    attributes of what was open for reading and writing are never kept until nobody can write any more, and such a
//    file goes on to pass by the server, because a page that the server filled would not follow the mapping.
// 3. To be asked costs a round trip with each open. When many files in a row were opened for reading or appending, and
//    none of them was worth it, the kernel is told to ask no more, for good (`givesUp`).

import { EINVAL, EIO, ENOMEM, EROFS, FsError } from '../errno.js';
import {
  type Filesystem,
  type NodeId,
  O_ACCMODE,
  O_APPEND,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
} from '../filesystem.js';
import { O_DIRECT, type PassthroughDevice } from '../sys/index.js';

/**
 * A file that is smaller, and opened for reading, is read through the server and then from the kernel's cache: one
 * request brings all of it (the kernel reads ahead 128 KiB), and registering the file costs as much.
 */
export const WORTH_READING = 128 * 1024;
/** So many opens in a row that were not worth asking for are taken as a sign of more to come. */
export const OPENS_IN_VAIN = 256;
/** At most so many files are looked at before giving up. */
const FEW = 16;

/** All opens of a node. */
interface OpenNode {
  /** 0: through the server. */
  readonly id: number;
  opens: number;
  /** How many of them may write. */
  writers: number;
}

export class Passthrough {
  readonly #device: PassthroughDevice;
  readonly #filesystem: Filesystem;
  /** Closes what the server itself has open of a node. */
  readonly #letGo: (node: NodeId) => void;
  readonly #open = new Map<NodeId, OpenNode>();
  /** How many nodes of `#open` pass by the server. */
  #passing = 0;
  /** Nodes that somebody may still write to through a mapping (rule 2). */
  readonly written = new Set<NodeId>();
  #inVain = 0;
  /** The kernel does not take files of this filesystem. */
  #refused = false;

  constructor(device: PassthroughDevice, filesystem: Filesystem, letGo: (node: NodeId) => void) {
    this.#device = device;
    this.#filesystem = filesystem;
    this.#letGo = letGo;
  }

  /**
   * Counts one more open of a node, with the flags of open(2); returns the backing id, or 0 if it goes through the server.
   * EROFS where nothing may change, EINVAL where the kernel would refuse O_DIRECT.
   */
  open(node: NodeId, flags: number): number {
    const known = this.#open.get(node);
    const writes = (flags & O_ACCMODE) !== O_RDONLY;
    // What passes by is written to without anybody else being asked: of a layer that was frozen, too.
    if (writes && this.#filesystem.readOnly) throw new FsError(EROFS, 'open');
    if (known !== undefined) {
      if (known.id !== 0 && (flags & O_DIRECT) !== 0) this.#assertDirect(node);
      known.opens++;
      if (writes) known.writers++;
      if (known.id !== 0) this.#noteMapping(node, flags);
      return known.id;
    }
    const id = this.#register(node, flags, writes);
    this.#open.set(node, { id, opens: 1, writers: writes ? 1 : 0 });
    if (id !== 0) {
      this.#passing++;
      this.#inVain = 0;
      this.#noteMapping(node, flags);
    } else if (!writes || (flags & O_APPEND) !== 0) this.#inVain++;
    return id;
  }

  /** One open of a node, with these flags, is over. */
  release(node: NodeId, flags: number): void {
    const known = this.#open.get(node);
    if (known === undefined) return;
    known.opens--;
    if ((flags & O_ACCMODE) !== O_RDONLY) known.writers--;
    if (known.opens === 0) this.#end(node, known);
  }

  /**
   * The kernel gives lookups of a node back: all of them once it has no open file and no mapping of it any more, but
   * also some that it had no use for, of a node that it goes on to know.
   */
  forget(node: NodeId): void {
    if (!this.#open.has(node)) this.written.delete(node);
  }

  /** True if attributes of a node may change without a request. */
  mayChange(node: NodeId): boolean {
    if (!this.written.has(node)) return false;
    if ((this.#open.get(node)?.writers ?? 0) > 0 || this.#isWritten(node)) return true;
    this.written.delete(node);
    return false;
  }

  /** True if being asked for opens has ceased to be worth it, and nothing stands against an end. */
  givesUp(): boolean {
    if ((!this.#refused && this.#inVain < OPENS_IN_VAIN) || this.#passing > 0) return false;
    if (this.written.size <= FEW && ![...this.written].some((node) => this.mayChange(node))) return true;
    this.#inVain = 0;
    return false;
  }

  /** The nodes that somebody can write to without asking. */
  writers(): NodeId[] {
    const open = [...this.#open].filter(([, { id, writers }]) => id !== 0 && writers > 0);
    const mapped = [...this.written].filter((node) => this.mayChange(node));
    return [...new Set([...open.map(([node]) => node), ...mapped])];
  }

  /** The nodes whose object the kernel has, for reading or writing, so that it must stay theirs. */
  keepers(): NodeId[] {
    const open = [...this.#open].filter(([, { id }]) => id !== 0);
    const mapped = [...this.written].filter((node) => this.mayChange(node));
    return [...new Set([...open.map(([node]) => node), ...mapped])];
  }

  #end(node: NodeId, { id }: OpenNode): void {
    this.#open.delete(node);
    if (id === 0) return;
    this.#passing--;
    this.#device.unregister(id);
  }

  #register(node: NodeId, flags: number, writes: boolean): number {
    const mapped = this.written.has(node);
    const wanted = !this.#refused && (!writes || (flags & O_APPEND) === 0);
    if (!wanted && !mapped) return 0;
    const backing = this.#filesystem.backing(node, writes || mapped ? 0 : WORTH_READING);
    if (backing === undefined) {
      if (mapped) throw new FsError(EIO, 'the object of a mapped file');
      return 0;
    }
    try {
      if ((flags & O_DIRECT) !== 0 && !this.#device.takesDirect(backing.fd)) {
        if (mapped) throw new FsError(EINVAL, 'O_DIRECT');
        return 0;
      }
      // What is registered must not itself be what `isWritten` finds. Only what is open for writing alone is not mapped.
      const id =
        (flags & O_ACCMODE) === O_WRONLY
          ? this.#device.register(backing.fd)
          : this.#device.registerForReading(backing.fd);
      if (id > 0) return id;
      // Only memory comes and goes: all else is said of the connection, or of the filesystem.
      if (id === -ENOMEM || mapped) throw new FsError(-id, 'FUSE_DEV_IOC_BACKING_OPEN');
      this.#refused = true;
      return 0;
    } finally {
      backing.close();
    }
  }

  #assertDirect(node: NodeId): void {
    const backing = this.#filesystem.backing(node, 0);
    if (backing === undefined) return;
    try {
      if (!this.#device.takesDirect(backing.fd)) throw new FsError(EINVAL, 'O_DIRECT');
    } finally {
      backing.close();
    }
  }

  /** mmap(2) takes a shared mapping that writes of a descriptor for both ways alone. */
  #noteMapping(node: NodeId, flags: number): void {
    if ((flags & O_ACCMODE) === O_RDWR) this.written.add(node);
  }

  #isWritten(node: NodeId): boolean {
    this.#letGo(node);
    const backing = this.#filesystem.backing(node, 0);
    if (backing === undefined) return true;
    try {
      return this.#device.isWritten(backing.fd);
    } finally {
      backing.close();
    }
  }
}
