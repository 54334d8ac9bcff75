// Data of a regular file of a real folder, by descriptor.

import { EINVAL, ENOSYS, EOPNOTSUPP, EXDEV, FsError } from '../errno.js';
import type { Attr } from '../filesystem.js';
import {
  allocateFd,
  cloneFile,
  closeFd,
  copyRange,
  readAt,
  readAtNow,
  seekFd,
  statFd,
  syncFd,
  truncateFd,
  writeAt,
} from '../sys/index.js';
import { type LayerRules, showAttributes } from './dir-marks.js';
import type { LayerFile, WritableFile } from './layer.js';

/** An open file as it is, of no layer. */
export class DataFile implements WritableFile {
  readonly fd: number;

  /** Takes the descriptor over. */
  constructor(fd: number) {
    this.fd = fd;
  }

  read(offset: number, into: Uint8Array): number {
    return readAt(this.fd, offset, into);
  }

  readNow(offset: number, into: Uint8Array): number | undefined {
    return readAtNow(this.fd, offset, into);
  }

  stat(out: Attr): void {
    statFd(this.fd, out);
  }

  seek(offset: number, whence: number): number | undefined {
    return seekFd(this.fd, offset, whence);
  }

  close(): void {
    closeFd(this.fd);
  }

  write(offset: number, data: Uint8Array): number {
    return writeAt(this.fd, offset, data);
  }

  truncate(size: number): void {
    truncateFd(this.fd, size);
  }

  allocate(mode: number, offset: number, length: number): void {
    allocateFd(this.fd, mode, offset, length);
  }

  /** copy_file_range(2) shares extents by itself where the filesystem can (vfs_copy_file_range). */
  copyFrom(source: LayerFile, fromOffset: number, toOffset: number, length: number): number {
    let done = 0;
    while (source.fd !== undefined && done < length) {
      const count = copyRange(source.fd, fromOffset + done, this.fd, toOffset + done, length - done);
      if (count < 0 && !CANNOT_COPY.has(-count)) throw new FsError(-count, 'copy');
      // 0 is the end of the source, or a filesystem that does not know its sizes; reading tells.
      if (count <= 0) break;
      done += count;
    }
    return done + this.#copyThroughMemory(source, fromOffset + done, toOffset + done, length - done);
  }

  cloneFrom(source: LayerFile): boolean {
    return source.fd !== undefined && cloneFile(source.fd, this.fd);
  }

  sync(dataOnly: boolean): void {
    syncFd(this.fd, dataOnly);
  }

  #copyThroughMemory(source: LayerFile, fromOffset: number, toOffset: number, length: number): number {
    if (length === 0) return 0;
    copyBuffer ??= new Uint8Array(COPY_BYTES);
    let done = 0;
    while (done < length) {
      const part = copyBuffer.subarray(0, Math.min(COPY_BYTES, length - done));
      const count = source.read(fromOffset + done, part);
      if (count === 0) break;
      done += this.write(toOffset + done, part.subarray(0, count));
    }
    return done;
  }
}

export class DirFile extends DataFile {
  readonly #rules: LayerRules;

  /** Takes the descriptor over. */
  constructor(fd: number, rules: LayerRules) {
    super(fd);
    this.#rules = rules;
  }

  override stat(out: Attr): void {
    super.stat(out);
    showAttributes(this.#rules, this.fd, out);
  }
}

const COPY_BYTES = 1 << 20;
let copyBuffer: Uint8Array | undefined;

/** Answers of copy_file_range(2) that speak of the pair of filesystems, not of a failure. */
const CANNOT_COPY: ReadonlySet<number> = new Set([EINVAL, ENOSYS, EOPNOTSUPP, EXDEV]);
