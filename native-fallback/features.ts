// Every optional kernel feature that overlay mounts use, one line each, and whether this kernel has it. Nothing
// here touches a disk: options are offered to a filesystem context that is thrown away, or looked up in /sys.
// Any of them can be switched off by name (MICA_WITHOUT), which is how the ways of older kernels are tested.

import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { ENOSYS, FsError, FUSE_FEATURES, sys } from '../fs/index.js';

interface Probed {
  /** The oldest Linux that has it. */
  readonly since: string;
  readonly gives: string;
  /** How one finds out. */
  readonly probedBy: string;
  /** Why it is missing; undefined if it is there. */
  readonly missing: () => string | undefined;
}

const TABLE = {
  'new-mount-api': {
    since: '5.2',
    gives: 'mounts without a limit of one page of options, and the kernel’s words for a refusal',
    probedBy: 'fsopen(2) of overlay',
    missing: () => contextRefuses([]),
  },
  'lowerdir-plus': {
    since: '6.7',
    gives: 'one option a layer: up to 500 layers, colons in paths',
    probedBy: 'fsconfig(2) lowerdir+',
    missing: () => contextRefuses([{ key: 'lowerdir+', value: '/' }]),
  },
  userxattr: {
    since: '5.11',
    gives: 'marks under user.overlay, for mounts in a user namespace',
    probedBy: 'fsconfig(2) userxattr, else the release of the kernel',
    missing: () => optionMissing('userxattr', '5.11'),
  },
  'redirect-dir': {
    since: '4.10',
    gives: 'renaming a folder of a lower layer',
    probedBy: '/sys/module/overlay',
    missing: () => parameterMissing('redirect_dir'),
  },
  'index-off': {
    since: '4.13',
    gives: 'uppers that may change places between this program and the kernel',
    probedBy: '/sys/module/overlay',
    missing: () => parameterMissing('index'),
  },
  volatile: {
    since: '5.10',
    gives: 'throw-away mounts without syncs',
    probedBy: 'fsconfig(2) volatile, else the release of the kernel',
    missing: () => optionMissing('volatile', '5.10'),
  },
} as const satisfies Record<string, Probed>;

export type FeatureName = keyof typeof TABLE;

export interface Feature {
  /** A FeatureName, or the name of a feature of the FUSE protocol. */
  readonly name: string;
  readonly since: string;
  readonly gives: string;
  readonly probedBy: string;
  readonly ok: boolean;
  /** Why not; '' if it works. */
  readonly why: string;
}

/** What a mount may make use of. */
export interface FeatureSet {
  has(name: FeatureName): boolean;
}

/** The names in a list as MICA_WITHOUT has it (`a,b`); names of other tables may be among them. */
export function switchedOff(list: string | undefined = process.env['MICA_WITHOUT']): ReadonlySet<string> {
  return new Set((list ?? '').split(',').map((name) => name.trim()));
}

/** The whole table, probed now. What FUSE has is agreed on when a mount begins; here the kernel's release answers. */
export function probeFeatures(without: ReadonlySet<string> = switchedOff()): readonly Feature[] {
  const overlay = Object.entries<Probed>(TABLE).map(([name, probed]) => ({ name, ...probed }));
  const fuse = FUSE_FEATURES.map(({ name, since, gives }) => ({
    name,
    since,
    gives,
    probedBy: 'INIT of each mount; here the release of the kernel',
    missing: () => (kernelAtLeast(since) ? undefined : `Linux ${release()} is older than ${since}`),
  }));
  return [...overlay, ...fuse].map(({ name, since, gives, probedBy, missing }) => {
    const why = without.has(name) ? 'switched off by MICA_WITHOUT' : missing();
    return { name, since, gives, probedBy, ok: why === undefined, why: why ?? '' };
  });
}

/** What overlay mounts may make use of now. */
export function featureSet(without: ReadonlySet<string> = switchedOff()): FeatureSet {
  const names = Object.keys(TABLE) as FeatureName[];
  return new Set(names.filter((name) => !without.has(name) && TABLE[name].missing() === undefined));
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
  if (refusal === undefined || !kernelAtLeast(since)) return refusal;
  return refusal.includes(key) ? refusal : undefined;
}

function kernelAtLeast(since: string): boolean {
  const [major = 0, minor = 0] = release()
    .split('.')
    .map((part) => Number.parseInt(part, 10));
  const [wantMajor = 0, wantMinor = 0] = since.split('.').map(Number);
  return major > wantMajor || (major === wantMajor && minor >= wantMinor);
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

function parameterMissing(name: string): string | undefined {
  // Asking for a context loads the module, where overlay is one.
  if (!existsSync('/sys/module/overlay')) contextRefuses([]);
  return existsSync(`/sys/module/overlay/parameters/${name}`)
    ? undefined
    : `overlayfs has no parameter ${name}`;
}
