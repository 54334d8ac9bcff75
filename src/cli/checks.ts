// The checks of `mica doctor`, one function each. A check never throws for what it looks for.

import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { release } from 'node:os';
import { dirname, join } from 'node:path';
import { FsError, fromText, ID_COUNT, makeDev, S_IFCHR, sys } from '../../fs/index.js';
import type { Settings } from './settings.js';

export interface Check {
  readonly check: string;
  readonly ok: boolean;
  /** Why not, or what was found; '' if there is nothing to say. */
  readonly why: string;
  /** What to do; '' if nothing. */
  readonly fix: string;
}

const linux = process.platform === 'linux';

/** All checks for this user and the store of these settings. */
export async function runChecks(settings: Settings): Promise<readonly Check[]> {
  const store = storeFolder(settings.root);
  const scratch = 'why' in store ? undefined : scratchIn(store.folder);
  try {
    return [
      nodeVersion(),
      ...(linux ? [kernel()] : []),
      ...(await drivers(scratch)),
      ...transports(),
      ...(scratch === undefined
        ? [noStore('why' in store ? store.why : `cannot write ${store.folder}`)]
        : []),
      ...(scratch === undefined ? [] : marks(scratch)),
      ...(linux ? [await mountHost(settings), owners(), await containers(), ...(await engines())] : []),
      ...(linux ? await features() : []),
    ];
  } finally {
    if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true });
  }
}

/** Which process serves a mount that is made now, and what the shared one has. */
async function mountHost({ hosting, state }: Settings): Promise<Check> {
  const { OWN_AT_MOST } = await import('../mounts/hosting-words.js');
  const { hostStatus } = await import('../mounts/join-host.js');
  const status = await hostStatus(state);
  const meant = {
    auto: `the first ${OWN_AT_MOST} mounts have a process each, further ones share one`,
    own: 'each mount has a process (--host own)',
    shared: 'all mounts share a process (--host shared)',
  }[hosting];
  const now = status === undefined ? '' : `; the shared one (pid ${status.pid}) has ${status.mounts} mounts`;
  return { check: 'mount host', ok: true, why: `${meant}${now}`, fix: '' };
}

async function engines(): Promise<readonly Check[]> {
  const { engineChecks } = await import('./engine-checks.js');
  return engineChecks();
}

async function containers(): Promise<Check> {
  const { containersHere } = await import('../run/check.js');
  return { check: 'containers', ...containersHere() };
}

function noStore(why: string): Check {
  return { check: 'store', ok: false, why, fix: 'choose another with --root' };
}

function scratchIn(folder: string): string | undefined {
  try {
    return mkdtempSync(join(folder, '.mica-doctor-'));
  } catch (error) {
    // Access was granted and the kernel refuses all the same: /proc is such a place.
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
}

/** Where the store lies, or would be made: the nearest folder that exists, if this user may write it. */
function storeFolder(root: string): { readonly folder: string } | { readonly why: string } {
  let folder = root;
  while (!existsSync(folder)) folder = dirname(folder);
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return { folder };
  } catch (error) {
    return { why: `cannot write ${folder}: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function nodeVersion(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const ok = major > 20 || (major === 20 && minor >= 19);
  return { check: 'node', ok, why: process.version, fix: ok ? '' : 'install Node 20.19 or later' };
}

function kernel(): Check {
  const oldest = sys.OLDEST_KERNEL;
  const ok = sys.kernelAtLeast(oldest);
  const why = ok
    ? `Linux ${release()}; ${oldest} is the oldest that will do`
    : `Linux ${release()} is older than ${oldest}`;
  return { check: 'kernel', ok, why, fix: ok ? '' : `boot Linux ${oldest} or later` };
}

/** Each registered driver, with the filesystem of the store for a ground. */
async function drivers(scratch: string | undefined): Promise<Check[]> {
  const { registeredDrivers, whyNotIn } = await import('../mounts/drivers.js');
  const { groundOf } = await import('../mounts/ground.js');
  const ground = scratch === undefined ? undefined : groundOf(scratch);
  const checks: Check[] = [];
  for (const driver of registeredDrivers()) {
    const check = `driver ${driver.name}`;
    const unfit = ground && driver.unfit(ground);
    if (unfit !== undefined) {
      checks.push({ check, ok: false, why: unfit, fix: 'choose a folder on another filesystem with --root' });
    } else if (driver.name === 'fuse') checks.push(fuseDriver());
    else if (driver.name === 'overlay') checks.push(...(await overlayDriver(scratch)));
    else if (driver.name === 'native') {
      checks.push({ check, ok: scratch !== undefined, why: 'copies of whole trees', fix: '' });
    } else if (scratch !== undefined) {
      const why = whyNotIn(driver, scratch);
      checks.push({ check, ok: why === undefined, why: why ?? '', fix: '' });
    }
  }
  if (ground !== undefined && ground.filesystem !== '') {
    checks.push({ check: 'store filesystem', ok: true, why: ground.filesystem, fix: '' });
  }
  return checks;
}

async function overlayDriver(scratch: string | undefined): Promise<Check[]> {
  if (!linux || scratch === undefined) return [];
  const { probeOverlay } = await import('../../native-fallback/index.js');
  const probe = probeOverlay(scratch);
  const here = probe.ok && probe.where === 'here';
  const why = here ? (probe.by ?? '') : probe.ok ? 'inside a user namespace only' : probe.why;
  const fix = probe.ok ? 'unshare -Urm mica …' : 'run as root, or allow user namespaces for this user';
  return [{ check: 'driver overlay', ok: probe.ok, why, fix: here ? '' : fix }];
}

function fuseDriver(): Check {
  const found = transports().filter(({ check }) => check !== 'transport fuse-native');
  const works = found.filter(({ ok }) => ok).map(({ check }) => check.replace('transport ', ''));
  if (works.length > 0) return { check: 'driver fuse', ok: true, why: `by ${works.join(', ')}`, fix: '' };
  const best = found[0];
  return { check: 'driver fuse', ok: false, why: best?.why ?? 'no transport', fix: best?.fix ?? '' };
}

function transports(): Check[] {
  return linux ? [deviceTransport(), fuseNative()] : [fuseT(), macFuse()];
}

/** mount(2) for whoever has CAP_SYS_ADMIN in its user namespace, else the set-user-id helper. */
function deviceTransport(): Check {
  const check = 'transport device';
  const closed = whyClosed('/dev/fuse');
  if (closed !== undefined) {
    const fix = existsSync('/dev/fuse')
      ? 'chmod 0666 /dev/fuse (as root)'
      : 'modprobe fuse (as root); in a container: --device /dev/fuse';
    return { check, ok: false, why: closed, fix };
  }
  if (sys.hasCapability(sys.CAP_SYS_ADMIN))
    return { check, ok: true, why: '/dev/fuse and mount(2)', fix: '' };
  if (!sys.hasHelper()) {
    return {
      check,
      ok: false,
      why: 'this user needs fusermount3, which is not installed',
      fix: 'apt install fuse3',
    };
  }
  const others = mayAllowOthers() ? '' : '; other users may not enter: no user_allow_other in /etc/fuse.conf';
  return { check, ok: true, why: `/dev/fuse and fusermount3${others}`, fix: '' };
}

function whyClosed(device: string): string | undefined {
  try {
    closeSync(openSync(device, constants.O_RDWR));
    return undefined;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    return error.code === 'ENOENT' ? `there is no ${device}` : `${device} cannot be opened: ${error.code}`;
  }
}

function mayAllowOthers(): boolean {
  if (!existsSync('/etc/fuse.conf')) return false;
  return /^\s*user_allow_other\b/m.test(readFileSync('/etc/fuse.conf', 'utf8'));
}

function fuseNative(): Check {
  const check = 'transport fuse-native';
  try {
    createRequire(import.meta.url).resolve('fuse-native');
    return { check, ok: true, why: 'installed; used only when asked for: --transport fuse-native', fix: '' };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    return {
      check,
      ok: false,
      why: 'not installed',
      fix: 'npm install fuse-native, and libfuse2 of the system',
    };
  }
}

function fuseT(): Check {
  const ok = existsSync('/usr/local/bin/go-nfsv4');
  return {
    check: 'transport fuse-t',
    ok,
    why: ok ? '' : 'not installed',
    fix: ok ? '' : 'brew install --cask fuse-t',
  };
}

function macFuse(): Check {
  const ok = existsSync('/Library/Filesystems/macfuse.fs');
  return {
    check: 'transport macfuse',
    ok,
    why: ok ? '' : 'not installed',
    fix: ok ? '' : 'brew install --cask macfuse',
  };
}

/** Whether layers on the store's filesystem can carry overlayfs's marks. */
function marks(scratch: string): Check[] {
  if (!linux) return [];
  const file = join(scratch, 'marked');
  writeFileSync(file, '');
  const prefix = sys.mayUseTrustedXattrs() ? 'trusted' : 'user';
  const fd = openSync(file, constants.O_RDWR);
  const xattrs = tried(() => sys.setXattr(fd, `${prefix}.overlay.opaque`, Buffer.from('y'), 0));
  const whiteout = tried(() =>
    sys.makeNodeAt(sys.AT_FDCWD, fromText(join(scratch, 'whiteout')), S_IFCHR, makeDev(0, 0)),
  );
  closeSync(fd);
  return [
    {
      check: 'marks as xattrs',
      ok: xattrs === '',
      why: xattrs || `${prefix}.overlay.*`,
      fix: xattrs === '' ? '' : 'put the store on ext4, xfs or btrfs with --root',
    },
    {
      check: 'marks as devices',
      ok: whiteout === '',
      why: whiteout || 'whiteouts are devices 0:0',
      fix: whiteout === '' ? '' : 'none needed: whiteouts are marked files here (overlayfs since Linux 6.7)',
    },
  ];
}

/** '' if it worked, else why not. */
function tried(attempt: () => void): string {
  try {
    attempt();
    return '';
  } catch (error) {
    if (error instanceof FsError) return error.message;
    throw error;
  }
}

/** Which owners of an image a mount of this user can show as they are. */
function owners(): Check {
  const check = 'owners';
  const ids = sys.namespaceIds('uid').reduce((sum, { count }) => sum + count, 0);
  if (ids === ID_COUNT) return { check, ok: true, why: 'a mount shows all as they are', fix: '' };
  const numbers = ids === 1 ? 'one id' : `${ids} ids`;
  const why = `this user namespace has ${numbers}; a mount shows whoever is without one as you`;
  return { check, ok: true, why, fix: 'mica mount --squash=none shows them as nobody' };
}

async function features(): Promise<Check[]> {
  const { probeFeatures } = await import('../../native-fallback/index.js');
  return probeFeatures().map(({ name, ok, why, gives, since, without }) => ({
    check: `feature ${name}`,
    ok,
    why: ok ? gives : `${why} (Linux ${since} gives ${gives}); instead: ${without}`,
    fix: '',
  }));
}
