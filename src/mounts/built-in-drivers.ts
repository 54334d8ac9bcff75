// The three drivers of this program: a union served over FUSE, the kernel's overlayfs over the same folders, and copies of
// whole trees, for where no union can be mounted. Importing this file registers them.

import { closeSync, constants, openSync } from 'node:fs';
import { sys } from '../../fs/index.js';
import { mountOverlay, probeHere } from '../../native-fallback/index.js';
import { registerDriver } from './driver-registry.js';
import { type Ground, tryGround } from './ground.js';

/** Without owners, modes and links there are no layers. */
const NO_LAYERS: ReadonlySet<string> = new Set(['VFAT', 'exFAT', 'EROFS', 'squashfs']);
/** Others change it behind the back of whoever caches, or it has neither devices nor the xattrs that marks are. */
const FROM_AFAR: ReadonlySet<string> = new Set(['NFS', 'SMB', 'CIFS', '9P', 'AFS', 'Ceph']);
/** Stacked filesystems, and those whose names change by themselves, which overlayfs does not take for an upper. */
const NO_UPPER: ReadonlySet<string> = new Set(['overlayfs', 'aufs', 'eCryptfs', 'FUSE']);

function withoutLayers({ filesystem }: Ground): string | undefined {
  if (!NO_LAYERS.has(filesystem)) return undefined;
  return `${filesystem} keeps no owners, modes and links, or nothing new`;
}

function withoutMarks(ground: Ground): string | undefined {
  if (!FROM_AFAR.has(ground.filesystem)) return withoutLayers(ground);
  return `${ground.filesystem} is changed by other machines, and does not keep the marks of layers`;
}

/** What a trial says of the filesystem of an existing folder that may carry a store. */
function whyUnmarkable(folder: string): string | undefined {
  const { filesystem, xattrs, entryTypes } = tryGround(folder);
  if (!xattrs) return `${filesystem} does not keep the xattrs that layers are marked with`;
  return entryTypes ? undefined : `${filesystem} does not tell kinds in listings (d_type)`;
}

registerDriver({
  name: 'fuse',
  form: 'diff',
  mount: 'served',
  unfit: withoutMarks,
  whyNot: (folder) => whyNotServed() ?? (process.platform === 'linux' ? whyUnmarkable(folder) : undefined),
});

registerDriver({
  name: 'overlay',
  form: 'diff',
  mount: (stack, target, options) => void mountOverlay(stack, target, options),
  unfit: (ground) => {
    if (!NO_UPPER.has(ground.filesystem)) return withoutMarks(ground);
    return `overlayfs takes no upper on ${ground.filesystem}`;
  },
  whyNot: (folder) => {
    const unmarkable = process.platform === 'linux' ? whyUnmarkable(folder) : undefined;
    if (unmarkable !== undefined) return unmarkable;
    const { ok, why } = probeHere(folder);
    return ok ? undefined : why;
  },
});

registerDriver({
  name: 'native',
  form: 'full',
  mount: (stack, target, options) => void mountOverlay(stack, target, options),
  unfit: withoutLayers,
  whyNot: () => undefined,
});

/** Whether /dev/fuse opens, and somebody may mount it: this process, or the set-user-id helper for it. */
function whyNotServed(): string | undefined {
  if (process.platform === 'darwin') return undefined;
  if (process.platform !== 'linux') return `there is no FUSE for ${process.platform}`;
  try {
    closeSync(openSync('/dev/fuse', constants.O_RDWR));
  } catch (error) {
    if (error instanceof Error && 'code' in error) return `/dev/fuse cannot be opened (${error.code})`;
    throw error;
  }
  if (sys.hasCapability(sys.CAP_SYS_ADMIN) || sys.hasHelper()) return undefined;
  return 'this user needs fusermount3, which is not installed';
}
