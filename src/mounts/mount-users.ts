// Which processes keep a mount, for who wants to end it and cannot. Nothing here touches the mount, whose server may
// be the one that hangs: what is in use where stands in /proc (proc(5)). What another user's process does is not
// seen, and a process that ends meanwhile does nothing any more. Linux only; elsewhere nothing is known.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { sep } from 'node:path';
import { type MountPoint, readMounts } from './mountinfo.js';
import { mountNamespace } from './process-life.js';

export interface MountUser {
  readonly pid: number;
  /** Of its program, as ps(1) shows it. */
  readonly name: string;
  /** `copy`: it has the mount, in a mount namespace of its own that copied ours; of such a namespace the first process. */
  readonly by: 'current folder' | 'root folder' | 'open file' | 'program' | 'mapped file' | 'copy';
  /** It is in another mount namespace than this process. */
  readonly elsewhere: boolean;
  /** Where the mount is for it. */
  readonly target: string;
}

/** Who uses the mounts of a filesystem (`major:minor`), in the order of their numbers; of each process one reason. */
export function mountUsers(device: string): readonly MountUser[] {
  if (process.platform !== 'linux') return [];
  const own = mountNamespace();
  const copies = new Map<string, readonly MountPoint[]>();
  const users: MountUser[] = [];
  const pids = readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid);
  for (const pid of pids.sort((a, b) => a - b)) {
    const namespace = mountNamespace(pid);
    if (namespace === '') continue;
    let mounts = copies.get(namespace);
    const isFirst = mounts === undefined;
    if (mounts === undefined) {
      mounts = readMounts(pid)?.filter((mount) => mount.device === device) ?? [];
      copies.set(namespace, mounts);
    }
    const [mount] = mounts;
    if (mount === undefined) continue;
    const elsewhere = namespace !== own;
    const by = useOf(pid, device, mounts) ?? (isFirst && elsewhere ? 'copy' : undefined);
    if (by !== undefined) users.push({ pid, name: nameOf(pid), by, elsewhere, target: mount.target });
  }
  return users;
}

/**
 * Whether a process that is none of `servers` has a mount of the filesystem in its mount namespace, and so can come to it.
 * Who has the mount as his current folder alone, or has a file of it open, cannot. Another user's process is not seen.
 */
export function isReachable(device: string, servers: ReadonlySet<number>): boolean {
  const shows = new Map<string, boolean>();
  return readdirSync('/proc').some((name) => {
    const pid = Number(name);
    if (!(pid > 0) || servers.has(pid)) return false;
    // A process sees the mounts below its root.
    const view = `${mountNamespace(pid)} ${ofProcess(() => readlinkSync(`/proc/${name}/root`)) ?? ''}`;
    let shown = shows.get(view);
    if (shown === undefined) {
      shown = readMounts(pid)?.some((mount) => mount.device === device) ?? false;
      shows.set(view, shown);
    }
    return shown;
  });
}

/** `sleep (pid 7, open file)`; the first three of them. */
export function usersText(users: readonly MountUser[]): string {
  const shown = users.slice(0, 3).map(({ pid, name, by, elsewhere }) => {
    const where = elsewhere ? ' in another mount namespace' : '';
    return `${name} (pid ${pid}, ${by}${where})`;
  });
  const more = users.length > shown.length ? ` and ${users.length - shown.length} more` : '';
  return shown.join(', ') + more;
}

function useOf(pid: number, device: string, mounts: readonly MountPoint[]): MountUser['by'] | undefined {
  if (leadsInto(pid, 'cwd', mounts)) return 'current folder';
  if (leadsInto(pid, 'root', mounts)) return 'root folder';
  if (hasOpen(pid, mounts)) return 'open file';
  if (leadsInto(pid, 'exe', mounts)) return 'program';
  return hasMapped(pid, device) ? 'mapped file' : undefined;
}

function leadsInto(pid: number, link: string, mounts: readonly MountPoint[]): boolean {
  const path = ofProcess(() => readlinkSync(`/proc/${pid}/${link}`));
  return path !== undefined && mounts.some(({ target }) => path === target || path.startsWith(target + sep));
}

/** By the number of the mount, because a descriptor's path may be that of something mounted over it. */
function hasOpen(pid: number, mounts: readonly MountPoint[]): boolean {
  const names = ofProcess(() => readdirSync(`/proc/${pid}/fdinfo`)) ?? [];
  return names.some((name) => {
    const text = ofProcess(() => readFileSync(`/proc/${pid}/fdinfo/${name}`, 'latin1')) ?? '';
    const id = /^mnt_id:\s*(\d+)$/m.exec(text)?.[1];
    return mounts.some((mount) => mount.id === id);
  });
}

// 7f2c1c000000-7f2c1c021000 r-xp 00000000 00:35 1234   /mnt/file
function hasMapped(pid: number, device: string): boolean {
  const [major = 0, minor = 0] = device.split(':').map(Number);
  const word = [major, minor].map((number) => number.toString(16).padStart(2, '0')).join(':');
  const text = ofProcess(() => readFileSync(`/proc/${pid}/maps`, 'latin1')) ?? '';
  return text.includes(` ${word} `);
}

function nameOf(pid: number): string {
  return ofProcess(() => readFileSync(`/proc/${pid}/comm`, 'utf8'))?.trim() ?? 'a process';
}

/** undefined where the process has ended, or is another user's. */
function ofProcess<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return undefined;
    throw error;
  }
}
