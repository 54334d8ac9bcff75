// mount(2), umount2(2) and the mount API of file descriptors (fsopen, fsconfig, fsmount, move_mount), which
// takes each option as a string of its own, so that paths need no escaping and any number of layers fits.
// The kernel's own words for a refusal are read from the filesystem descriptor and kept in the error.

import { EINVAL, ENODATA, FsError } from '../errno.js';
import { type ByteString, fromBytes, toText } from '../name.js';
import {
  AT_FDCWD,
  type CFunction,
  cPath,
  cPath2,
  cString,
  declare,
  declareSyscall,
  errno,
  fail,
  SYSCALLS,
} from './libc.js';

export const MS_RDONLY = 0x1;
export const MS_NOSUID = 0x2;
export const MS_NODEV = 0x4;
export const MS_NOEXEC = 0x8;
export const MS_SYNCHRONOUS = 0x10;
export const MS_REMOUNT = 0x20;
export const MS_DIRSYNC = 0x80;
export const MS_NOATIME = 0x400;
export const MS_NODIRATIME = 0x800;
export const MS_BIND = 0x1000;
export const MS_REC = 0x4000;
export const MS_RELATIME = 0x200000;
export const MS_STRICTATIME = 0x1000000;

export const MNT_DETACH = 2;
export const UMOUNT_NOFOLLOW = 8;

export const MOUNT_ATTR_RDONLY = 0x1;
export const MOUNT_ATTR_NOSUID = 0x2;
export const MOUNT_ATTR_NODEV = 0x4;
export const MOUNT_ATTR_NOEXEC = 0x8;

const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = 0o2000000;
const AT_RECURSIVE = 0x8000;
const AT_EMPTY_PATH = 0x1000;

interface Calls {
  readonly mount: CFunction;
  readonly umount2: CFunction;
  readonly read: CFunction;
  readonly close: CFunction;
  readonly fsopen: CFunction;
  readonly fsconfig: CFunction;
  readonly fsmount: CFunction;
  readonly moveMount: CFunction;
  readonly openTree: CFunction;
  readonly mountSetattr: CFunction;
}

let calls: Calls | undefined;

function libc(): Calls {
  calls ??= {
    mount: declare('int', 'mount', ['void *', 'void *', 'void *', 'ulong', 'void *']),
    umount2: declare('int', 'umount2', ['void *', 'int']),
    read: declare('long', 'read', ['int', 'void *', 'size_t']),
    close: declare('int', 'close', ['int']),
    fsopen: declareSyscall(SYSCALLS.fsopen, ['void *', 'long']),
    fsconfig: declareSyscall(SYSCALLS.fsconfig, ['long', 'long', 'void *', 'void *', 'long']),
    fsmount: declareSyscall(SYSCALLS.fsmount, ['long', 'long', 'long']),
    moveMount: declareSyscall(SYSCALLS.moveMount, ['long', 'void *', 'long', 'void *', 'long']),
    openTree: declareSyscall(SYSCALLS.openTree, ['long', 'void *', 'long']),
    mountSetattr: declareSyscall(SYSCALLS.mountSetattr, ['long', 'void *', 'long', 'void *', 'long']),
  };
  return calls;
}

/**
 * mount(2). `data` holds the filesystem's options; EINVAL from 4096 bytes on, where the kernel would cut it off
 * in silence. An empty `type` is passed as NULL (bind and propagation changes).
 */
export function mount(
  source: ByteString,
  target: ByteString,
  type: ByteString,
  flags: number,
  data: ByteString,
): void {
  if (data.length > 4095) throw new FsError(EINVAL, 'mount options longer than a page');
  const typeBytes = type === '' ? null : cString(type);
  const dataBytes = data === '' ? null : cString(data);
  if (libc().mount(cPath(source), cPath2(target), typeBytes, flags, dataBytes) < 0) {
    fail(`mount ${toText(target)}`);
  }
}

/** umount2(2) with MNT_* flags; never follows a symlink at the end of `target` if UMOUNT_NOFOLLOW is given. */
export function unmount(target: ByteString, flags: number): void {
  if (libc().umount2(cPath(target), flags) < 0) fail(`unmount ${toText(target)}`);
}

/**
 * A copy of what is mounted at `path`, with everything mounted below it, as a descriptor: a mount that is nowhere yet.
 * What `path` means is settled now, so that it may be attached where other names hold.
 */
export function openTree(path: ByteString): number {
  const tree = libc().openTree(AT_FDCWD, cPath(path), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
  if (tree < 0) fail(`bind ${toText(path)}`);
  return tree;
}

/** Attaches a mount that is nowhere yet at `target`, without following a symlink there. The descriptor is closed. */
export function attachTree(tree: number, target: ByteString): void {
  const moved = libc().moveMount(tree, cPath(''), AT_FDCWD, cPath2(target), MOVE_MOUNT_F_EMPTY_PATH);
  const failure = moved < 0 ? errno() : 0;
  // A descriptor of the mount that stays open would answer EBUSY to the next umount.
  libc().close(tree);
  if (failure !== 0) throw new FsError(failure, `mount ${toText(target)}`);
}

/** Makes the mount of a descriptor read only, with everything mounted below it. ENOSYS before Linux 5.12. */
export function makeTreeReadOnly(tree: number): void {
  // struct mount_attr: attr_set, attr_clr, propagation, userns_fd.
  const attributes = new BigUint64Array([BigInt(MOUNT_ATTR_RDONLY), 0n, 0n, 0n]);
  const bytes = new Uint8Array(attributes.buffer);
  if (libc().mountSetattr(tree, cPath(''), AT_EMPTY_PATH | AT_RECURSIVE, bytes, bytes.length) < 0) {
    fail('make a mount read only');
  }
}

/** The kernel refused a mount. `kernelText` holds its own explanation, line by line; '' if it gave none. */
export class MountError extends FsError {
  readonly kernelText: string;

  constructor(errnoValue: number, what: string, kernelText: string) {
    super(errnoValue, kernelText === '' ? what : `${what}: ${kernelText}`);
    this.name = 'MountError';
    this.kernelText = kernelText;
  }
}

/** A filesystem that is being configured. `close` ends it in any case; what is mounted stays. */
export class FilesystemContext {
  readonly #fd: number;
  readonly #type: string;
  #closed = false;

  /** ENODEV if the kernel does not know the type, ENOSYS before Linux 5.2. */
  constructor(type: ByteString) {
    this.#type = toText(type);
    this.#fd = libc().fsopen(cPath(type), FSOPEN_CLOEXEC);
    if (this.#fd < 0) fail(`fsopen ${this.#type}`);
  }

  /** EINVAL for a value of more than 255 bytes: fsconfig(2) copies no more. */
  setString(key: ByteString, value: ByteString): void {
    const result = libc().fsconfig(this.#fd, FSCONFIG_SET_STRING, cString(key), cPath(value), 0);
    if (result < 0) this.#fail(`option ${toText(key)}`);
  }

  setFlag(key: ByteString): void {
    if (libc().fsconfig(this.#fd, FSCONFIG_SET_FLAG, cString(key), null, 0) < 0) {
      this.#fail(`option ${toText(key)}`);
    }
  }

  /** Makes the filesystem and mounts it at `target`. */
  mountAt(target: ByteString, attributes: number): void {
    attachTree(this.makeTree(attributes), target);
  }

  /** Makes the filesystem, and a mount of it that is nowhere yet: `attachTree` gives it a place. */
  makeTree(attributes: number): number {
    if (libc().fsconfig(this.#fd, FSCONFIG_CMD_CREATE, null, null, 0) < 0) this.#fail('create');
    const tree = libc().fsmount(this.#fd, FSMOUNT_CLOEXEC, attributes);
    if (tree < 0) this.#fail('fsmount');
    return tree;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (libc().close(this.#fd) < 0) fail('close');
  }

  #fail(what: string): never {
    const failure = errno();
    throw new MountError(failure, `mount ${this.#type}: ${what}`, this.#messages());
  }

  /** One read(2) gives one message, `e overlay: ...`; ENODATA after the last. */
  #messages(): string {
    const lines: string[] = [];
    const buffer = new Uint8Array(1024);
    for (;;) {
      const count = libc().read(this.#fd, buffer, buffer.length);
      if (count <= 0) {
        if (count < 0 && errno() !== ENODATA) lines.push('(message lost)');
        return lines.join('; ');
      }
      lines.push(
        toText(fromBytes(buffer, 0, count))
          .replace(/^[ewi] /, '')
          .trimEnd(),
      );
    }
  }
}
