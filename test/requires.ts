// Tests that need something of the machine say so here: where it is missing they are skipped with the reason
// printed, and with MICA_REQUIRE_ALL=1 that skip is a failure.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { describe, it } from 'vitest';
import { isOnExt4 } from './ext4.js';

/** Why the machine lacks a thing; undefined if it has it. */
const NEEDS = {
  root: () => (process.geteuid?.() === 0 ? undefined : 'not root'),
  user: () => (process.geteuid?.() !== 0 ? undefined : 'root'),
  fuse: () => {
    if (!existsSync('/dev/fuse')) return 'no /dev/fuse';
    try {
      accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
      return undefined;
    } catch (error) {
      return `/dev/fuse: ${(error as NodeJS.ErrnoException).code}`;
    }
  },
  /** Ordinary users may open the device; fusermount3 opens it as the user who runs it. */
  'fuse for all': () => {
    if (!existsSync('/dev/fuse')) return 'no /dev/fuse';
    return (statSync('/dev/fuse').mode & 0o006) === 0o006
      ? undefined
      : '/dev/fuse is closed to ordinary users';
  },
  /** An ordinary user with subordinate ids. */
  'mica-user': () => {
    const known = existsSync('/etc/subuid') ? readFileSync('/etc/subuid', 'utf8') : '';
    return /^mica-user:/m.test(known) ? undefined : 'no user mica-user with subordinate ids';
  },
  /** fuse-native loads: it is an optional dependency and needs libfuse 2. */
  'fuse-native': () =>
    spawnSync(process.execPath, ['-e', 'require("fuse-native")'], { stdio: 'ignore' }).status === 0
      ? undefined
      : 'fuse-native does not load (libfuse 2 is missing)',
  /** The temp dir lies on one, or an image of one can be mounted. */
  ext4: () => {
    if (isOnExt4(tmpdir())) return undefined;
    const canMount = process.geteuid?.() === 0 && existsSync('/dev/loop-control');
    return canMount ? lacks('program:mkfs.ext4') : `no ext4 at ${tmpdir()}, and none can be mounted`;
  },
  loop: () => (existsSync('/dev/loop-control') ? undefined : 'no loop devices'),
  overlay: () => {
    if (process.geteuid?.() !== 0) return 'not root';
    const known = spawnSync('grep', ['-qw', 'overlay', '/proc/filesystems']).status === 0;
    return known || spawnSync('modprobe', ['overlay']).status === 0 ? undefined : 'no overlay in this kernel';
  },
  /** A virtual machine whose processors halt while they are idle, and few of them; sys.CpuLatencyRequest says why. */
  'halting processors': () => {
    const driver = '/sys/devices/system/cpu/cpuidle/current_driver';
    if (!existsSync(driver) || readFileSync(driver, 'latin1').trim() !== 'haltpoll')
      return 'idle processors do not halt into a hypervisor here';
    return cpus().length > 8 ? 'more than 8 processors' : undefined;
  },
  /** cachestat(2). */
  cachestat: () => (isBefore(6, 5) ? 'Linux before 6.5' : undefined),
  /** FUSE passthrough; only for who is root on the machine itself. */
  passthrough: () => (isBefore(6, 9) ? 'Linux before 6.9' : undefined),
  /** The kernel mounts EROFS images that are files of the temp dir. */
  'erofs-files': () => {
    if (isBefore(6, 12)) return 'EROFS mounts no files before Linux 6.12';
    if (!isOnExt4(tmpdir())) return `no ext4 at ${tmpdir()}`;
    const known = spawnSync('grep', ['-qw', 'erofs', '/proc/filesystems']).status === 0;
    return known || spawnSync('modprobe', ['erofs']).status === 0 ? undefined : 'no erofs in this kernel';
  },
  /** The reference for archives; what macOS calls tar is another. */
  'gnu tar': () =>
    spawnSync('tar', ['--version'], { encoding: 'utf8' }).stdout?.includes('GNU') === true
      ? undefined
      : 'tar is not GNU tar',
} as const;

export type Need = keyof typeof NEEDS | `program:${string}`;

/** True if the kernel is older than the version. */
function isBefore(major: number, minor: number): boolean {
  const [ofKernel = 0, minorOfKernel = 0] = release().split('.').map(Number.parseFloat);
  return ofKernel < major || (ofKernel === major && minorOfKernel < minor);
}

function lacks(need: Need): string | undefined {
  if (need.startsWith('program:')) {
    const name = need.slice('program:'.length);
    return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0 ? undefined : `no program ${name}`;
  }
  return NEEDS[need as keyof typeof NEEDS]();
}

/** What is missing, as one line; undefined if all is there. */
export function missing(needs: readonly Need[]): string | undefined {
  const reasons = needs.map(lacks).filter((reason) => reason !== undefined);
  return reasons.length === 0 ? undefined : reasons.join(', ');
}

/** `describe` for tests that need something of the machine. */
export function describeWith(needs: readonly Need[], name: string, body: () => void): void {
  const why = missing(needs);
  if (why === undefined) {
    describe(name, body);
  } else if (process.env['MICA_REQUIRE_ALL'] === '1') {
    describe(name, () => {
      it('has what it needs', () => {
        throw new Error(`MICA_REQUIRE_ALL is set, and this machine lacks: ${why}`);
      });
    });
  } else {
    process.stderr.write(`skipped: ${name}: ${why}\n`);
    describe.skip(name, body);
  }
}
