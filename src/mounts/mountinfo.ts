// What is mounted, as the kernel says (proc(5), /proc/pid/mountinfo). Linux only; elsewhere nothing is known.

import { readFileSync } from 'node:fs';

export interface MountPoint {
  /** Of this mount, as `mnt_id` of an open file names it. */
  readonly id: string;
  readonly target: string;
  /** `fuse.mica`, `overlay`, `ext4`... */
  readonly type: string;
  readonly source: string;
  /** `major:minor` of the mount's filesystem: st_dev of what is in it. */
  readonly device: string;
  /** The folder of its filesystem that is shown: other than `/` for a bind. */
  readonly root: string;
  readonly options: readonly string[];
  /** The filesystem's own: for overlay its folders. */
  readonly superOptions: readonly string[];
}

const UNSEEN: ReadonlySet<string> = new Set(['ENOENT', 'ESRCH', 'EINVAL', 'EACCES', 'EPERM']);

/** The mounts that a process sees, in the order in which they were made. undefined if there is no such process. */
export function readMounts(pid: number | 'self' = 'self'): readonly MountPoint[] | undefined {
  if (process.platform !== 'linux') return [];
  try {
    return parseMountinfo(readFileSync(`/proc/${pid}/mountinfo`, 'utf8'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // EINVAL: the process has ended and nobody has waited for it. EACCES, EPERM: it is another user's.
    if (code !== undefined && UNSEEN.has(code)) return undefined;
    throw error;
  }
}

/** The topmost mount at exactly this place. */
export function mountAt(target: string, mounts: readonly MountPoint[]): MountPoint | undefined {
  return mounts.findLast((mount) => mount.target === target);
}

/** The mount that shows what is at an absolute path. */
export function mountOver(path: string, mounts: readonly MountPoint[]): MountPoint | undefined {
  return mounts
    .filter(({ target }) => path === target || path.startsWith(target === '/' ? target : `${target}/`))
    .reduce<MountPoint | undefined>(
      (top, mount) => (top !== undefined && top.target.length > mount.target.length ? top : mount),
      undefined,
    );
}

// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
export function parseMountinfo(text: string): readonly MountPoint[] {
  const mounts: MountPoint[] = [];
  for (const line of text.split('\n')) {
    const [left, right] = line.split(' - ');
    if (left === undefined || right === undefined) continue;
    const [id = '', , device = '', root = '', target = '', options = ''] = left.split(' ');
    const [type = '', source = '', own = ''] = right.split(' ');
    mounts.push({
      id,
      target: unescaped(target),
      type: unescaped(type),
      source: unescaped(source),
      device,
      root: unescaped(root),
      options: options.split(','),
      superOptions: own.split(',').map(unescaped),
    });
  }
  return mounts;
}

/** Space, tab, newline and backslash appear as three octal digits. */
function unescaped(word: string): string {
  return word.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
