// The filesystem that carries a store, as far as drivers care: its kind by statfs(2), and whether it stores what layers
// are made of.

import { closeSync, existsSync, mkdtempSync, openSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FsError, sys } from '../../fs/index.js';

export interface Ground {
  /** As people say it: `ext4`, `NFS`; `0x...` for one that is not known here, '' where nothing numbers them. */
  readonly filesystem: string;
}

/** What a trial tells beside its kind. */
export interface TriedGround extends Ground {
  /** Extended attributes that marks are written as. */
  readonly xattrs: boolean;
  /** Listing a folder tells of what kind its entries are. */
  readonly entryTypes: boolean;
}

/** statfs(2) f_type (linux/magic.h and the filesystems). */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'XFS'],
  [0x9123683e, 'Btrfs'],
  [0xf2f52010, 'F2FS'],
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
  [0x2fc12fc1, 'ZFS'],
  [0xca451a4e, 'bcachefs'],
  [0x794c7630, 'overlayfs'],
  [0x61756673, 'aufs'],
  [0x65735546, 'FUSE'],
  [0xf15f, 'eCryptfs'],
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x01021997, '9P'],
  [0x5346414f, 'AFS'],
  [0x00c36400, 'Ceph'],
  [0x4d44, 'VFAT'],
  [0x2011bab0, 'exFAT'],
  [0x5346544e, 'NTFS'],
  [0x7366746e, 'NTFS'],
  [0xe0f5e1e2, 'EROFS'],
  [0x73717368, 'squashfs'],
]);

/** Of a folder, which need not be there yet. */
export function groundOf(folder: string): Ground {
  if (process.platform !== 'linux') return { filesystem: '' };
  let place = folder;
  while (!existsSync(place)) place = dirname(place);
  const type = statfsSync(place).type >>> 0;
  return { filesystem: NAMES.get(type) ?? `0x${type.toString(16)}` };
}

/** As `groundOf`, after a trial in a temporary folder inside. */
export function tryGround(folder: string): TriedGround {
  const scratch = mkdtempSync(join(folder, 'new-ground-'));
  try {
    writeFileSync(join(scratch, 'file'), '');
    return { ...groundOf(folder), xattrs: hasXattrs(join(scratch, 'file')), entryTypes: tellsTypes(scratch) };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function hasXattrs(path: string): boolean {
  const fd = openSync(path, 'r+');
  try {
    sys.setXattr(fd, `${sys.mayUseTrustedXattrs() ? 'trusted' : 'user'}.overlay.trial`, Uint8Array.of(1), 0);
    return true;
  } catch (error) {
    if (error instanceof FsError) return false;
    throw error;
  } finally {
    closeSync(fd);
  }
}

function tellsTypes(folder: string): boolean {
  const fd = openSync(folder, 'r');
  let all = true;
  try {
    sys.listFolder(fd, (_name, type) => {
      all &&= type !== 0;
      return undefined;
    });
    return all;
  } finally {
    closeSync(fd);
  }
}
