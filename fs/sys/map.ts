// Files that are read where they lie in the page cache (mmap(2)): nothing is copied, the memory is shared with every
// other process that maps the file and is the kernel's to take back. A mapped file must never become shorter, or
// reading beyond its end ends the process (SIGBUS); whoever maps relies on files that are only replaced by rename.

import { bytesAt, type CFunction, declare, fail } from './libc.js';

const PROT_READ = 1;
const MAP_SHARED = 1;
const MADV_DONTNEED = 4;

let map: CFunction | undefined;
let unmap: CFunction | undefined;
let advise: CFunction | undefined;

export interface Mapping {
  /** Read only: writing to it ends the process. */
  readonly bytes: Uint8Array;
  /** Lets go of all pages (madvise(2)): they stay in the page cache, and count as this process's again once they are read. */
  letGo(): void;
  /** Gives the memory back; `bytes` and all views of them must not be read afterwards. */
  release(): void;
}

/** Maps the first `length` bytes of a file that is open for reading; EINVAL for length 0. */
export function mapFile(fd: number, length: number): Mapping {
  map ??= declare('int64', 'mmap', ['size_t', 'size_t', 'int', 'int', 'int', 'int64']);
  const address = map(0, length, PROT_READ, MAP_SHARED, fd, 0);
  if (address === -1) fail('mmap');
  let mapped = true;
  return {
    bytes: bytesAt(address, length),
    letGo() {
      if (!mapped) return;
      advise ??= declare('int', 'madvise', ['size_t', 'size_t', 'int']);
      if (advise(address, length, MADV_DONTNEED) === -1) fail('madvise');
    },
    release() {
      if (!mapped) return;
      mapped = false;
      unmap ??= declare('int', 'munmap', ['size_t', 'size_t']);
      if (unmap(address, length) === -1) fail('munmap');
    },
  };
}
