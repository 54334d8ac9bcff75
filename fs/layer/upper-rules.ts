// What an upper's writer may do, learned once when it is opened, and what of it changes while it is open.

import { Attr } from '../filesystem.js';
import { isFolder, PERMISSION_BITS, S_IFDIR } from '../mode.js';
import { toBytes } from '../name.js';
import {
  CAP_CHOWN,
  CAP_DAC_OVERRIDE,
  CAP_FOWNER,
  CAP_MKNOD,
  filesystemMagic,
  filesystemUuid,
  getXattr,
  hasCapability,
  inFirstUserNamespace,
  namespaceNumbering,
  setXattr,
  statFd,
} from '../sys/index.js';
import type { LayerRules } from './dir-marks.js';
import type { Dialect, MarkPrefix } from './layer.js';
import { formatOverride, OVERRIDE_NAMES, OVERRIDE_STAT } from './marks.js';
import { type Numbering, RealIds } from './real-ids.js';

/** What the writable objects of an upper have in common. */
export interface UpperRules extends LayerRules {
  readonly marks: MarkPrefix;
  /** This process may set any owner and make any device. */
  readonly privileged: boolean;
  /** What the owner of a real object of this type is allowed whatever its mode says, which is then kept aside. */
  keptBits(mode: number): number;
  /** Counts changes that decide what new entries of a folder get from it: its set-group-id bit, its default ACL. */
  inheritance: number;
  /** From now on override_stat is believed in this layer. */
  enableOverrides(): void;
}

export const DEFAULT_ACL = 'system.posix_acl_default';

/** What an ordinary owner must be allowed on the real object, or he could not open it; the true mode is kept aside. */
export function ownerBits(mode: number): number {
  return isFolder(mode) ? 0o700 : 0o600;
}

/** For the root of a user namespace: outside of it the same user commits and reads what was made there. */
function readerBits(mode: number): number {
  return isFolder(mode) ? 0o500 : 0o400;
}

function noBits(): number {
  return 0;
}

/** True if the layer's root carries override_stat: only then single files' ones count (fuse-overlayfs's rule). */
export function hasOverrides(root: number): boolean {
  return OVERRIDE_NAMES.some((name) => getXattr(root, name) !== undefined);
}

/** ext2 to ext4, XFS, tmpfs, F2FS, ramfs, squashfs, EROFS (linux/magic.h). Others say 1, or what comes to their mind. */
const COUNTING = new Set([0xef53, 0x58465342, 0x01021994, 0xf2f52010, 0x858458f6, 0x73717368, 0xe0f5e1e2]);

/** True if the filesystem of an open file counts subfolders in st_nlink; one folder may still say 1 (ext4's dir_nlink). */
export function countsSubfolders(fd: number): boolean {
  return COUNTING.has(filesystemMagic(fd));
}

/**
 * Btrfs, ext2 to ext4, F2FS, ramfs, tmpfs and XFS (linux/magic.h): a file's blocks there are what its data takes. EROFS
 * and squashfs count them from the size, and of what is mounted over the network or by a program nothing is known.
 */
const WITH_TRUE_BLOCKS = new Set([0x9123683e, 0xef53, 0xf2f52010, 0x858458f6, 0x01021994, 0x58465342]);

/** True if a file with fewer blocks than its size takes, and no other, may be without data on an open file's filesystem. */
export function blocksTell(fd: number): boolean {
  return WITH_TRUE_BLOCKS.has(filesystemMagic(fd));
}

/** FUSE, NFS, SMB and CIFS, 9P, Ceph, AFS (linux/magic.h). */
const FROM_AFAR = new Set([
  0x65735546, 0x6969, 0xfe534d42, 0xff534d42, 0x01021997, 0x00c36400, 0x5346414f, 0x6b414653,
]);

/** True if the files of an open file's filesystem come over a network or from a program. */
export function comesFromAfar(fd: number): boolean {
  return FROM_AFAR.has(filesystemMagic(fd));
}

/** How this process, which numbers as `here`, turns owners of real objects into those of a layer; undefined where they are the same. */
export function idsOf(numbering: Numbering | undefined, here?: Numbering): RealIds | undefined {
  return numbering === undefined ? undefined : RealIds.between(numbering, here ?? namespaceNumbering());
}

/** The rules of the upper whose root is open as `root`; `markStandIns` is called before the first stand-in is made. */
export function upperRules(
  root: number,
  marks: MarkPrefix,
  dialect: Dialect,
  numbering: Numbering | undefined,
  markStandIns: () => void,
): UpperRules {
  const privileged =
    inFirstUserNamespace() && [CAP_CHOWN, CAP_FOWNER, CAP_MKNOD].every((bit) => hasCapability(bit));
  const rules = {
    prefixes: [marks],
    marks,
    dialect,
    uuid: filesystemUuid(root),
    privileged,
    keptBits: hasCapability(CAP_DAC_OVERRIDE) ? (inFirstUserNamespace() ? noBits : readerBits) : ownerBits,
    ids: idsOf(numbering),
    overrides: hasOverrides(root),
    origins: true,
    impurity: 0,
    countsSubfolders: countsSubfolders(root),
    blocksTell: blocksTell(root),
    inheritance: 0,
    enableOverrides(): void {
      if (rules.overrides) return;
      markStandIns();
      // Readers believe override_stat of single files only where the root of the layer has it.
      const attr = new Attr();
      statFd(root, attr);
      rules.ids?.show(attr);
      const own = { uid: attr.uid, gid: attr.gid, mode: attr.mode & PERMISSION_BITS, type: S_IFDIR, rdev: 0 };
      setXattr(root, OVERRIDE_STAT, toBytes(formatOverride(own, 0, 0)), 0);
      rules.overrides = true;
    },
  };
  return rules;
}
