// The optional features of the kernel's overlayfs, one line each, in the form of the table of `fs/` and beside it:
// `probeFeatures` lists both. Nothing here touches a disk: options are offered to a filesystem context that is
// thrown away. Any of them can be switched off by name (MICA_WITHOUT), as those of `fs/` can.

import { existsSync, readFileSync } from 'node:fs';
import { ENOSYS, FsError, sys } from '../fs/index.js';

const TABLE = {
  'new-mount-api': {
    since: '5.2',
    gives: 'mounts without a limit of one page of options, and the kernel’s words for a refusal',
    without: 'mount(2), for deep chains from their common folder',
    probedBy: 'fsopen(2) of overlay',
    missing: () => contextRefuses([]),
  },
  'lowerdir-plus': {
    since: '6.7',
    gives: 'one option a layer: up to 500 layers, colons in paths',
    without: 'mount(2), for deep chains from their common folder',
    probedBy: 'fsconfig(2) lowerdir+',
    missing: () => contextRefuses([{ key: 'lowerdir+', value: '/' }]),
  },
  userxattr: {
    since: '5.11',
    gives: 'kernel mounts of layers with marks under user.overlay',
    without: 'the driver fuse for those layers',
    probedBy: 'fsconfig(2) userxattr, else the release of the kernel',
    missing: () => optionMissing('userxattr', '5.11'),
  },
  volatile: {
    since: '5.10',
    gives: 'throw-away mounts without syncs',
    without: 'mounts that sync',
    probedBy: 'fsconfig(2) volatile, else the release of the kernel',
    missing: () => optionMissing('volatile', '5.10'),
  },
  'erofs-index': {
    since: '6.12',
    gives: 'kernel views of a store that walk one index, whatever the number of layers',
    without: 'kernel views that look into every layer',
    probedBy: 'the release of the kernel; each mount is tried and held against a file of the layers',
    missing: () => (sys.kernelAtLeast('6.12') ? undefined : 'EROFS mounts no files before Linux 6.12'),
  },
} as const satisfies Record<string, sys.FeatureRow>;

export type OverlayFeature = keyof typeof TABLE;

/** A line of the whole table, probed. */
export interface Feature extends Omit<sys.FeatureRow, 'missing'> {
  readonly name: OverlayFeature | sys.KernelFeature;
  readonly ok: boolean;
  /** Why not; '' if it works. */
  readonly why: string;
}

/** What a mount may make use of. */
export interface FeatureSet {
  has(name: OverlayFeature): boolean;
}

/** Every optional feature by its name: those that `fs/` uses, then overlayfs's. */
const ROWS: Readonly<Record<Feature['name'], sys.FeatureRow>> = { ...sys.KERNEL_FEATURES, ...TABLE };

/** The whole table, probed now. */
export function probeFeatures(without: ReadonlySet<string> = sys.switchedOff()): readonly Feature[] {
  return (Object.keys(ROWS) as Feature['name'][]).map((name) => {
    const { missing, ...facts } = ROWS[name];
    const why = sys.isSwitchedOff(name, without) ? 'switched off by MICA_WITHOUT' : missing();
    return { name, ...facts, ok: why === undefined, why: why ?? '' };
  });
}

/** The names in `without` that no line of the table has. */
export function unknownFeatures(without: ReadonlySet<string> = sys.switchedOff()): readonly string[] {
  return [...without].filter((name) => name !== 'all' && !Object.hasOwn(ROWS, name));
}

/** The names that MICA_WITHOUT may hold, beside `all`. */
export function featureNames(): readonly string[] {
  return Object.keys(ROWS);
}

/** What overlay mounts may use now. */
export function featureSet(without: ReadonlySet<string> = sys.switchedOff()): FeatureSet {
  const names = Object.keys(TABLE) as OverlayFeature[];
  return new Set(
    names.filter((name) => !sys.isSwitchedOff(name, without) && TABLE[name].missing() === undefined),
  );
}

/**
 * Offers options to a new overlay context. A kernel whose overlayfs still parses one string (before 6.5) takes
 * any option here and refuses at the mount, so a nonsense option tells the two apart.
 */
function contextRefuses(options: readonly { key: string; value?: string }[]): string | undefined {
  let context: sys.FilesystemContext;
  try {
    context = new sys.FilesystemContext('overlay');
  } catch (error) {
    return error instanceof FsError && error.errno !== ENOSYS ? error.message : 'the kernel has no fsopen(2)';
  }
  try {
    if (options.length > 0 && accepts(context, 'mica-nonsense', undefined) === undefined) {
      return 'overlayfs still parses its options as one string';
    }
    for (const { key, value } of options) {
      const refusal = accepts(context, key, value);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  } finally {
    context.close();
  }
}

/** Where no context can be asked (an ordinary user, an older overlayfs), the release has to answer. */
function optionMissing(key: string, since: string): string | undefined {
  const refusal = contextRefuses([{ key }]);
  if (refusal === undefined || !sys.kernelAtLeast(since)) return refusal;
  return refusal.includes(key) ? refusal : undefined;
}

function accepts(context: sys.FilesystemContext, key: string, value: string | undefined): string | undefined {
  try {
    if (value === undefined) context.setFlag(key);
    else context.setString(key, value);
    return undefined;
  } catch (error) {
    if (error instanceof FsError) return error.message;
    throw error;
  }
}

/** True if overlayfs follows redirects without being told to (CONFIG_OVERLAY_FS_REDIRECT_ALWAYS_FOLLOW, `redirect_dir`). */
export function followsRedirects(): boolean {
  const isOn = (name: string): boolean => {
    const path = `/sys/module/overlay/parameters/${name}`;
    return existsSync(path) && readFileSync(path, 'utf8').trim() === 'Y';
  };
  return isOn('redirect_always_follow') || isOn('redirect_dir');
}
