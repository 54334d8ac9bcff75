// fstab words as mount(2) wants them: flags as bits, the rest as the filesystem's own data (mount(8),
// "FILESYSTEM-INDEPENDENT MOUNT OPTIONS"; containerd's core/mount/mountinfo parses the same list).

import { sys } from '../../fs/index.js';
import { StoreError } from '../errors.js';

export interface MountWords {
  readonly flags: number;
  /** Options of the filesystem, as they were. */
  readonly data: readonly string[];
}

type Bits = { readonly set: number } | { readonly clear: number };

const WORDS: Readonly<Record<string, Bits>> = {
  ro: { set: sys.MS_RDONLY },
  rw: { clear: sys.MS_RDONLY },
  bind: { set: sys.MS_BIND },
  rbind: { set: sys.MS_BIND | sys.MS_REC },
  nosuid: { set: sys.MS_NOSUID },
  suid: { clear: sys.MS_NOSUID },
  nodev: { set: sys.MS_NODEV },
  dev: { clear: sys.MS_NODEV },
  noexec: { set: sys.MS_NOEXEC },
  exec: { clear: sys.MS_NOEXEC },
  sync: { set: sys.MS_SYNCHRONOUS },
  async: { clear: sys.MS_SYNCHRONOUS },
  dirsync: { set: sys.MS_DIRSYNC },
  noatime: { set: sys.MS_NOATIME },
  atime: { clear: sys.MS_NOATIME },
  nodiratime: { set: sys.MS_NODIRATIME },
  diratime: { clear: sys.MS_NODIRATIME },
  relatime: { set: sys.MS_RELATIME },
  norelatime: { clear: sys.MS_RELATIME },
  strictatime: { set: sys.MS_STRICTATIME },
  nostrictatime: { clear: sys.MS_STRICTATIME },
  remount: { set: sys.MS_REMOUNT },
  defaults: { set: 0 },
};

/** Splits words into flags and data; of two that contradict each other the later one holds. */
export function parseMountWords(words: readonly string[]): MountWords {
  let flags = 0;
  const data: string[] = [];
  for (const word of words) {
    if (word === 'loop') {
      throw new StoreError(
        'unsupported',
        'cannot mount with the option loop',
        'loop devices are not set up here',
      );
    }
    const bits = Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
    if (bits === undefined) data.push(word);
    else if ('set' in bits) flags |= bits.set;
    else flags &= ~bits.clear;
  }
  return { flags, data };
}
