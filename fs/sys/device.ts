// /dev/fuse and what a thread needs to wait on it: raw reads and writes, poll, eventfd and the FUSE ioctls.
// Counts are returned as they are and failures as the negative errno, because EAGAIN and ENODEV are everyday
// answers here and a throw would cost more than the call.

import { EINTR } from '../errno.js';
import type { ByteString } from '../name.js';
import { AT_FDCWD, type CFunction, cPath, declare, errno, fail } from './libc.js';

const O_RDWR = 2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;

export const POLLIN = 0x001;

/** _IOW(229, 1, struct fuse_backing_map) and _IOW(229, 2, uint32_t) of linux/fuse.h. */
const FUSE_DEV_IOC_BACKING_OPEN = 0x4010e501;
const FUSE_DEV_IOC_BACKING_CLOSE = 0x4004e502;

interface Calls {
  readonly openat: CFunction;
  readonly close: CFunction;
  readonly read: CFunction;
  readonly write: CFunction;
  readonly poll: CFunction;
  readonly eventfd: CFunction;
  readonly ioctl: CFunction;
  readonly fcntl: CFunction;
}

let calls: Calls | undefined;

function libc(): Calls {
  calls ??= {
    openat: declare('int', 'openat', ['int', 'void *', 'int', 'uint']),
    close: declare('int', 'close', ['int']),
    read: declare('long', 'read', ['int', 'void *', 'size_t']),
    write: declare('long', 'write', ['int', 'void *', 'size_t']),
    poll: declare('int', 'poll', ['void *', 'ulong', 'int']),
    eventfd: declare('int', 'eventfd', ['uint', 'int']),
    ioctl: declare('int', 'ioctl', ['int', 'ulong', 'void *']),
    fcntl: declare('int', 'fcntl', ['int', 'int', 'long']),
  };
  return calls;
}

/** Opens a device read-write, close-on-exec. */
export function openDevice(path: ByteString): number {
  const fd = libc().openat(AT_FDCWD, cPath(path), O_RDWR | O_CLOEXEC, 0);
  return fd < 0 ? fail('open device') : fd;
}

export function closeDevice(fd: number): void {
  if (libc().close(fd) < 0) fail('close device');
}

/** From now on reads of `fd` answer EAGAIN where they would wait. */
export function setNonBlocking(fd: number): void {
  const F_GETFL = 3;
  const F_SETFL = 4;
  const flags = libc().fcntl(fd, F_GETFL, 0);
  if (flags < 0 || libc().fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) fail('fcntl');
}

/** Programs that this process starts do not get `fd`, unless they are handed it. */
export function closeOnExec(fd: number): void {
  const F_SETFD = 2;
  const FD_CLOEXEC = 1;
  if (libc().fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) fail('fcntl');
}

/** read(2) into a buffer: the count, or the negative errno. `length` bytes from `offset` of the buffer. */
export function readInto(fd: number, into: Uint8Array, offset = 0, length = into.length - offset): number {
  const at = offset === 0 ? into : into.subarray(offset);
  const count = libc().read(fd, at, Math.min(length, at.length));
  return count < 0 ? -errno() : count;
}

/** write(2) from a buffer in one call: the count, or the negative errno. */
export function writeFrom(fd: number, from: Uint8Array, offset = 0, length = from.length - offset): number {
  const at = offset === 0 ? from : from.subarray(offset);
  const count = libc().write(fd, at, Math.min(length, at.length));
  return count < 0 ? -errno() : count;
}

/** Descriptors to wait on, made once. */
export class PollSet {
  readonly #fds: Uint8Array;
  readonly #revents: Int16Array;
  readonly #count: number;

  constructor(fds: readonly number[]) {
    // struct pollfd { int fd; short events; short revents; }
    const memory = new ArrayBuffer(fds.length * 8);
    const ints = new Int32Array(memory);
    this.#revents = new Int16Array(memory);
    fds.forEach((fd, i) => {
      ints[i * 2] = fd;
      this.#revents[i * 4 + 2] = POLLIN;
    });
    this.#fds = new Uint8Array(memory);
    this.#count = fds.length;
  }

  /** Waits until a descriptor is readable or broken, at most `timeoutMs` (-1: for ever). False: time is up or a signal came. */
  wait(timeoutMs: number): boolean {
    const ready = libc().poll(this.#fds, this.#count, timeoutMs);
    if (ready >= 0) return ready > 0;
    if (errno() === EINTR) return false;
    return fail('poll');
  }

  /** The revents of the descriptor at `index` after `wait`. */
  revents(index: number): number {
    return this.#revents[index * 4 + 3] ?? 0;
  }
}

/** A counter that one thread adds to and another polls; non-blocking. */
export function makeEventFd(): number {
  const fd = libc().eventfd(0, O_NONBLOCK | O_CLOEXEC);
  return fd < 0 ? fail('eventfd') : fd;
}

const counter = new Uint8Array(8);

/** Wakes whoever polls the eventfd. */
export function signalEventFd(fd: number): void {
  counter.fill(0);
  counter[0] = 1;
  if (libc().write(fd, counter, 8) < 0) fail('eventfd write');
}

/** Sets the counter back; false if it was not signalled. */
export function drainEventFd(fd: number): boolean {
  return libc().read(fd, counter, 8) === 8;
}

// struct fuse_backing_map { int32_t fd; uint32_t flags; uint64_t padding; }
const backingWords = new Int32Array(4);
const backingBytes = new Uint8Array(backingWords.buffer);

/** Registers an open file for passthrough: the backing id, or the negative errno (EPERM without CAP_SYS_ADMIN). */
export function openBacking(device: number, fd: number): number {
  backingWords[0] = fd;
  const id = libc().ioctl(device, FUSE_DEV_IOC_BACKING_OPEN, backingBytes);
  return id < 0 ? -errno() : id;
}

/** Gives a backing id back. */
export function closeBacking(device: number, id: number): void {
  // The argument is a pointer to the id alone, where the descriptor stood.
  backingWords[0] = id;
  if (libc().ioctl(device, FUSE_DEV_IOC_BACKING_CLOSE, backingBytes) < 0) fail('FUSE_DEV_IOC_BACKING_CLOSE');
}
