// Mounting a stack with the kernel's own overlayfs, over the same folders that the userspace union serves. The
// mount API of file descriptors takes each layer as a string of its own; where it is missing, or a path is too long
// for it, mount(2) takes one page of text, and names relative to the layers' common parent make a deep chain fit. The
// working folder belongs to the whole process, so that mount is made by a child that was started there.

import { dirname, relative, sep } from 'node:path';
import { E2BIG, FsError, fromText, type StackDescription, sys } from '../fs/index.js';
import { runChild } from './child-process.js';
import { type FeatureSet, featureSet } from './features.js';
import { mountIndex } from './mount-index.js';
import { type Overlay, type OverlayOptions, type OverlayPlan, overlayWords, planOverlay } from './options.js';

/** mount(2) copies one page of options, with its NUL. */
const OPTIONS_MAX = 4095;
/** fsconfig(2) copies a string of at most 256 bytes, with its NUL (fs/fsopen.c). */
const STRING_MAX = 255;

export interface OverlayMounted {
  /** Which way the kernel was told. */
  readonly by: 'index' | 'fsopen' | 'mount' | 'mount-relative' | 'bind';
}

/**
 * Mounts `stack` at the folder `target` (absolute). FsError of the refusing call: EPERM without CAP_SYS_ADMIN in
 * the user namespace, ENODEV without overlayfs, EINVAL with the kernel's own words where it has some, EBUSY for
 * an upper in use, E2BIG for a chain that mount(2) has no room for.
 */
export function mountOverlay(
  stack: StackDescription,
  target: string,
  options: OverlayOptions = {},
  features: FeatureSet = featureSet(),
): OverlayMounted {
  if (mountIndex(stack, target, features)) return { by: 'index' };
  return mountPlan(planOverlay(stack, features, options), target, features);
}

/** As `mountOverlay` for a plan that was made before, or read from the words of a mount. */
export function mountPlan(
  plan: OverlayPlan,
  target: string,
  features: FeatureSet = featureSet(),
): OverlayMounted {
  if (plan.kind === 'bind') {
    bind(plan.source, target, plan.readOnly);
    return { by: 'bind' };
  }
  const short = foldersOf(plan).every((path) => fromText(path).length <= STRING_MAX);
  if (short && features.has('new-mount-api') && features.has('lowerdir-plus')) {
    mountByContext(plan, target);
    return { by: 'fsopen' };
  }
  return mountByWords(plan, target);
}

/** Binds `source` to `target`; a read-only bind takes a second call, since the first ignores sys.MS_RDONLY. */
export function bind(source: string, target: string, readOnly: boolean, recursive = true): void {
  const flags = sys.MS_BIND | (recursive ? sys.MS_REC : 0);
  sys.mount(fromText(source), fromText(target), '', flags, '');
  if (!readOnly) return;
  try {
    sys.mount('', fromText(target), '', sys.MS_BIND | sys.MS_REMOUNT | sys.MS_RDONLY, '');
  } catch (error) {
    sys.unmount(fromText(target), sys.MNT_DETACH | sys.UMOUNT_NOFOLLOW);
    throw error;
  }
}

/** Unmounts what the kernel mounted. EBUSY while it is used, unless `lazy`. */
export function unmountKernel(target: string, lazy = false): void {
  sys.unmount(fromText(target), sys.UMOUNT_NOFOLLOW | (lazy ? sys.MNT_DETACH : 0));
}

function mountByContext(plan: Overlay, target: string): void {
  const context = new sys.FilesystemContext('overlay');
  try {
    context.setString('source', 'overlay');
    for (const { key, value } of plan.settings) {
      if (value === undefined) context.setFlag(key);
      else context.setString(key, value);
    }
    for (const lower of plan.lowers) context.setString('lowerdir+', fromText(lower));
    for (const data of plan.data ?? []) context.setString('datadir+', fromText(data));
    if (plan.upper !== undefined) {
      context.setString('upperdir', fromText(plan.upper.path));
      context.setString('workdir', fromText(plan.upper.work));
    }
    context.mountAt(fromText(target), plan.readOnly ? sys.MOUNT_ATTR_RDONLY : 0);
  } finally {
    context.close();
  }
}

function mountByWords(plan: Overlay, target: string): OverlayMounted {
  const flags = plan.readOnly ? sys.MS_RDONLY : 0;
  const whole = fromText(overlayWords(plan).join(','));
  if (whole.length <= OPTIONS_MAX) {
    sys.mount('overlay', fromText(target), 'overlay', flags, whole);
    return { by: 'mount' };
  }
  const folder = commonParent(foldersOf(plan));
  const data = overlayWords(plan, (path) => relative(folder, path) || '.').join(',');
  if (fromText(data).length > OPTIONS_MAX) {
    throw new FsError(
      E2BIG,
      `mount ${target}: ${plan.lowers.length} layers do not fit mount(2)'s page of options`,
    );
  }
  runChild({ job: 'mount', target, flags, data }, folder);
  return { by: 'mount-relative' };
}

function foldersOf({ lowers, data = [], upper }: Overlay): readonly string[] {
  return [...lowers, ...data, ...(upper === undefined ? [] : [upper.path, upper.work])];
}

/** The deepest folder above (or equal to) all of these absolute paths. */
export function commonParent(paths: readonly string[]): string {
  let folder = dirname(paths[0] ?? '/');
  while (!paths.every((path) => path.startsWith(folder === '/' ? '/' : folder + sep)))
    folder = dirname(folder);
  return folder;
}
