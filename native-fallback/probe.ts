// Does kernel overlayfs work here? Answered by really mounting a small one in a temporary folder on the
// filesystem in question and changing it: reading, deleting and replacing through the mount must leave a
// whiteout and an opaque mark in the upper. Where this user may not mount, the same is tried in a user namespace.

import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  EIO,
  EPERM,
  FsError,
  fromText,
  isErrno,
  type MarkPrefix,
  type StackDescription,
  sys,
} from '../fs/index.js';
import { runChild } from './child-process.js';
import { type FeatureSet, featureSet } from './features.js';
import { mountOverlay, unmountKernel } from './mount.js';

export interface OverlayProbe {
  readonly ok: boolean;
  /** Why it does not work here; '' if it does. */
  readonly why: string;
  /** `namespace`: only inside a user namespace (`unshare -Urm`), whose mounts nobody outside sees. */
  readonly where: 'here' | 'namespace' | 'nowhere';
  /** How the marks of uppers are spelled here. */
  readonly marks: MarkPrefix;
  /** Which way the mount was made. */
  readonly by?: string;
}

/** Tries overlayfs in a temporary folder inside `folder` (an existing folder that this user may write). */
export function probeOverlay(folder: string): OverlayProbe {
  const here = probeHere(folder);
  if (here.ok || process.platform !== 'linux') return here;
  try {
    const inside = runChild({ job: 'probe', folder }, '/', true);
    return inside.ok ? { ...inside, where: 'namespace', why: here.why } : { ...here, why: inside.why };
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    return { ...here, why: `${here.why}; in a user namespace: ${error.message}` };
  }
}

/** As `probeOverlay`, in this process's own namespaces only. */
export function probeHere(folder: string, features?: FeatureSet): OverlayProbe {
  if (process.platform !== 'linux') {
    return { ok: false, why: `no overlayfs on ${process.platform}`, where: 'nowhere', marks: 'user' };
  }
  const marks: MarkPrefix = sys.mayUseTrustedXattrs() ? 'trusted' : 'user';
  const scratch = mkdtempSync(join(folder, 'new-probe-'));
  try {
    const by = tryOverlay(scratch, marks, features ?? featureSet());
    return { ok: true, why: '', where: 'here', marks, by };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (!(error instanceof FsError) && code === undefined) throw error;
    const why = isErrno(error, EPERM) ? 'this user may not mount' : (error as Error).message;
    return { ok: false, why, where: 'nowhere', marks };
  } finally {
    removeScratch(scratch);
  }
}

function tryOverlay(scratch: string, marks: MarkPrefix, features: FeatureSet): string {
  const place = (name: string) => join(scratch, name);
  for (const name of ['lower', 'upper', 'work', 'merged', 'lower/folder']) mkdirSync(place(name));
  writeFileSync(place('lower/file'), 'lower');
  writeFileSync(place('lower/folder/inner'), 'lower');
  const dialect = 'overlay';
  const stack: StackDescription = {
    lowers: [{ path: place('lower'), id: 'lower', dialect, marks }],
    upper: { path: place('upper'), work: place('work'), id: 'upper', dialect, marks },
  };
  const { by } = mountOverlay(stack, place('merged'), {}, features);
  try {
    if (readFileSync(place('merged/file'), 'utf8') !== 'lower')
      throw new FsError(EIO, 'a lower file reads wrongly');
    rmSync(place('merged/file'));
    rmSync(place('merged/folder'), { recursive: true });
    mkdirSync(place('merged/folder'));
  } finally {
    unmountKernel(place('merged'));
  }
  if (!lstatSync(place('upper/file')).isCharacterDevice())
    throw new FsError(EIO, 'a deletion left no whiteout');
  if (!isOpaque(place('upper/folder'), marks)) throw new FsError(EIO, 'a new folder is not opaque');
  return by;
}

function isOpaque(path: string, marks: MarkPrefix): boolean {
  const fd = sys.openAt(sys.AT_FDCWD, fromText(path), sys.O_RDONLY | sys.O_DIRECTORY | sys.O_CLOEXEC);
  try {
    return sys.getXattr(fd, `${marks}.overlay.opaque`) !== undefined;
  } finally {
    sys.closeFd(fd);
  }
}

/** overlayfs makes work/work with mode 0, and may leave a whiteout in it that it shares between deletions. */
function removeScratch(scratch: string): void {
  for (const name of ['work/work', 'work/index']) {
    const path = join(scratch, name);
    if (existsSync(path)) chmodSync(path, 0o700);
  }
  rmSync(scratch, { recursive: true, force: true });
}
