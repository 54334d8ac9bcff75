// What FUSE passthrough (Linux 6.9) needs of the kernel: files registered with a connection, and whether somebody
// still writes to one of them past everybody. Failures are negative errnos where they are everyday answers.

import { EINVAL, isErrno } from '../errno.js';
import { closeBacking, openBacking, writeFrom } from './device.js';
import { closeFd, O_DIRECT, O_RDONLY, reopen } from './file.js';
import { type CFunction, declare } from './libc.js';

/** The connection's side of passthrough. */
export interface PassthroughDevice {
  /** Registers an open file: its id (1 and up), or the negative errno. The descriptor may be closed afterwards. */
  register(fd: number): number;
  /** As `register`, and the registration does not hold the file open for writing. */
  registerForReading(fd: number): number;
  unregister(id: number): void;
  /** Writes a message that answers no request. */
  tell(message: Uint8Array, length: number): void;
  /** False where the file's filesystem has no O_DIRECT. */
  takesDirect(fd: number): boolean;
  /**
   * True if anybody has the file open for writing, or mapped from such a descriptor, or if that cannot be known. `fd`
   * is open for reading, and its process has no other that writes.
   */
  isWritten(fd: number): boolean;
}

export function passthroughDevice(device: number): PassthroughDevice {
  return {
    register: (fd) => openBacking(device, fd),
    registerForReading: (fd) => {
      const reading = reopen(fd, O_RDONLY);
      try {
        return openBacking(device, reading);
      } finally {
        closeFd(reading);
      }
    },
    unregister: (id) => closeBacking(device, id),
    tell: (message, length) => {
      // ENOENT: the kernel does not know the node any more. A mount that has ended says so at the next read.
      writeFrom(device, message, 0, length);
    },
    takesDirect,
    isWritten,
  };
}

function takesDirect(fd: number): boolean {
  try {
    closeFd(reopen(fd, O_RDONLY | O_DIRECT));
    return true;
  } catch (error) {
    if (isErrno(error, EINVAL)) return false;
    throw error;
  }
}

const F_SETSIG = 10;
const F_SETLEASE = 1024;
const F_RDLCK = 0;
const F_UNLCK = 2;
/** Ignored by default: what a lease that is broken sends must not end the process. */
const SIGURG = 23;

let fcntl: CFunction | undefined;

/** The kernel gives a lease for reading only where no open file and no mapping can write (fcntl(2)). */
function isWritten(fd: number): boolean {
  fcntl ??= declare('int', 'fcntl', ['int', 'int', 'long']);
  fcntl(fd, F_SETSIG, SIGURG);
  if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0) return true;
  fcntl(fd, F_SETLEASE, F_UNLCK);
  return false;
}
