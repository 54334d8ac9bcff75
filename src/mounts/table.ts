// The mount table: one JSON file a mount of ours, in STATE/mounts. It is a note, never the truth: each row is
// held against the kernel's list of mounts and the life of its server when it is read, so a row that a crash or a
// reboot left behind is recognised, and the next command cleans it up.

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FsError, fromText, type OwnerRules, sys } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import type { Driver } from './mount.js';
import { type MountUser, mountUsers, usersText } from './mount-users.js';
import { type MountPoint, mountAt, mountOver, readMounts } from './mountinfo.js';
import { overlayOn } from './overlay-on.js';
import { bootId, isAlive, mountNamespace, type ProcessMark, processIn } from './process-life.js';

export type MountState = 'live' | 'dead';

/** Which snapshot a mount shows. */
export interface MountedSnapshot {
  /** The folder snapshots/ of its store. */
  readonly store: string;
  readonly namespace: string;
  readonly key: string;
  readonly id: string;
}

export interface MountRow {
  /** Absolute, without symlinks. */
  readonly target: string;
  /** Absent for plain folders. */
  readonly snapshot?: MountedSnapshot;
  /** Of plain folders: what layers are called whose ids say nothing, by their ids. */
  readonly layers?: Readonly<Record<string, string>>;
  readonly driver: Driver;
  /** How the FUSE protocol travels; absent for the kernel's mounts. */
  readonly transport?: string;
  /** The server of a FUSE mount; the process that mounted, which has ended, for the kernel's. */
  readonly process: ProcessMark;
  /** The process serves other mounts, too, and outlives this one; it takes the row out when this one has ended. */
  readonly shared?: boolean;
  readonly readOnly: boolean;
  /** What its owners are shown as, where that was asked for. */
  readonly owners?: OwnerRules;
  /** The server measures how long requests take; its `status` tells. */
  readonly stats?: boolean;
  /** RFC 3339 with nanoseconds. */
  readonly since: string;
  /** The control socket of a FUSE mount. */
  readonly socket?: string;
  /** What a FUSE server wrote to its standard error; empty as long as all is well. */
  readonly log?: string;
  /** The folder that is written: found by these, however it is reached. */
  readonly upper?: { readonly device: number; readonly inode: number };
  readonly boot: string;
  /** The mount namespace in which the mount was made; '' where it is not known. */
  readonly mountNamespace: string;
}

export interface ListedMount extends MountRow {
  readonly state: MountState;
}

/** True of a mount whose server can exchange what it writes to. */
export function canExchange(mount: ListedMount | undefined): mount is ListedMount {
  return mount?.state === 'live' && mount.transport === 'device' && mount.upper !== undefined;
}

/** How long a server may take to write back and let go. */
const ENDING_MS = 30_000;
const POLL_MS = 10;

/** How many this process has named. */
let sockets = 0;

export class MountTable {
  readonly folder: string;

  constructor(state: string) {
    this.folder = join(state, 'mounts');
  }

  /** Where the control socket of a new mount of this process at `target` belongs. */
  socketFor(target: string): string {
    // One process may mount there again while the mount before it, which is out of sight, is still in use.
    return join(this.folder, `${nameOf(target)}.${process.pid}.${++sockets}.sock`);
  }

  /** Where a server of a mount at `target` that is started now writes what it has to say. */
  logFor(target: string): string {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    return join(this.folder, `${nameOf(target)}.${process.pid}.log`);
  }

  /** Makes or replaces the row of a target in its mount namespace, in one step. */
  put(row: MountRow): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    const path = this.#path(row);
    const fresh = `${path}.${process.pid}`;
    writeFileSync(fresh, JSON.stringify(row), { mode: 0o600 });
    renameSync(fresh, path);
  }

  /** Takes a row out with what belongs to it, unless another mount has taken its place meanwhile. */
  remove(row: MountRow): void {
    for (const path of [row.socket, row.log]) if (path !== undefined) rmSync(path, { force: true });
    if (this.#has(row)) rmSync(this.#path(row), { force: true });
  }

  /** How many mounts are noted down, whatever became of them. */
  get size(): number {
    return this.#names().length;
  }

  /** The mounts of ours that are there, live or dead, ordered by place; rows of mounts that are gone are left out. */
  list(): readonly ListedMount[] {
    const here = readMounts() ?? [];
    return this.#rows().flatMap((row) => {
      const state = stateOf(row, here);
      return state === undefined ? [] : [{ ...row, state }];
    });
  }

  /** The mount of ours at exactly this place; one of this mount namespace comes before others. */
  at(target: string): ListedMount | undefined {
    const there = this.list().filter((row) => row.target === target);
    return there.find(isMountedHere) ?? there[0];
  }

  /** What living servers serve, those included whose mount is out of sight. */
  servers(): readonly MountRow[] {
    return this.#rows().filter(isServed);
  }

  /**
   * The mount of ours that a path lies in, and the rest of the path ('' for the mount point). What is mounted over a part of
   * it is not in it, and a bind of such a part, wherever it is, is.
   */
  containing(path: string): { readonly mount: ListedMount; readonly rest: string } | undefined {
    const rows = this.list();
    const above = rows.filter((row) => path === row.target || path.startsWith(row.target + sep));
    const mount = above.reduce<ListedMount | undefined>(
      (best, row) => (best !== undefined && best.target.length >= row.target.length ? best : row),
      undefined,
    );
    const mounts = readMounts() ?? [];
    const top = mountOver(path, mounts);
    if (top !== undefined && top.target.length > (mount?.target.length ?? 0)) {
      const bound = rows.find((row) => row.driver === 'fuse' && deviceOf(row, mounts) === top.device);
      if (bound !== undefined)
        return { mount: bound, rest: join(top.root, relative(top.target, path)).slice(1) };
      if (mount !== undefined && deviceOf(mount, mounts) !== undefined) return undefined;
    }
    return mount === undefined ? undefined : { mount, rest: path.slice(mount.target.length + 1) };
  }

  /** The mount of ours that writes to the folder `fs`. */
  writing(fs: string): ListedMount | undefined {
    const found = statSync(fs, { throwIfNoEntry: false });
    if (found === undefined) return undefined;
    return this.list().find(
      ({ upper }) => upper !== undefined && upper.device === found.dev && upper.inode === found.ino,
    );
  }

  /**
   * Where the kernel writes to the folder `fs`: a mount of ours without a server, or an overlay that anybody made
   * of it and that this mount namespace shows, by whatever name.
   */
  kernelMountOn(fs: string): string | undefined {
    const ours = this.writing(fs);
    if (ours !== undefined) return ours.driver === 'fuse' ? undefined : ours.target;
    return overlayOn(fs, readMounts() ?? []);
  }

  /** The mount of ours that shows this very snapshot (not one on top of it). */
  showing(store: string, id: string): ListedMount | undefined {
    return this.list().find(({ snapshot }) => snapshot?.store === store && snapshot.id === id);
  }

  /**
   * Waits until the server of an unmounted row has ended; failed-precondition if it does not in `waitMs`. `device`:
   * that of the mount, which tells who holds copies of it.
   */
  async serverGone(row: MountRow, device?: string, waitMs = ENDING_MS): Promise<void> {
    const deadline = performance.now() + waitMs;
    while (isAlive(row.process) && (row.shared !== true || this.#has(row))) {
      if (performance.now() > deadline) throw stillBusy(row, device === undefined ? [] : mountUsers(device));
      await sleep(POLL_MS);
    }
    this.remove(row);
  }

  /** Cleans up after servers that died and mounts that are gone. Returns one line for each. */
  sweep(): readonly string[] {
    const here = readMounts() ?? [];
    const lines: string[] = [];
    for (const row of this.#rows()) {
      const state = stateOf(row, here);
      if (state === 'live' || isServed(row)) continue;
      if (state === 'dead' && !detachDead(row.target)) continue;
      this.remove(row);
      lines.push(sentence(row, state));
    }
    return lines;
  }

  /** Neither taken out nor replaced by the row of another mount. */
  #has(row: MountRow): boolean {
    const [now] = this.#read(rowName(row));
    return now?.since === row.since;
  }

  #path(row: MountRow): string {
    return join(this.folder, rowName(row));
  }

  #names(): readonly string[] {
    try {
      return readdirSync(this.folder).filter((name) => name.endsWith('.json'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  #rows(): readonly MountRow[] {
    const rows = this.#names().flatMap((name) => this.#read(name));
    return rows.sort((a, b) => (a.target < b.target ? -1 : 1));
  }

  #read(name: string): readonly MountRow[] {
    const path = join(this.folder, name);
    try {
      return [JSON.parse(readFileSync(path, 'utf8')) as MountRow];
    } catch (error) {
      // Taken out by another process between the listing and now.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw new StoreError('corrupt', `cannot read the mount table`, `${path} is damaged`, {
        cause: error,
        hint: `look at mica mounts and findmnt, then remove ${path}`,
      });
    }
  }
}

function stillBusy({ target, process: { pid } }: MountRow, users: readonly MountUser[]): StoreError {
  const what = `cannot end the mount at ${target}`;
  const [first] = users;
  if (first === undefined) {
    const why = `its server (pid ${pid}) is still busy`;
    return new StoreError('failed-precondition', what, why, { hint: 'mica mounts' });
  }
  const why = `it is in use by ${usersText(users)}, so its server (pid ${pid}) goes on`;
  const hint = `end it, or nsenter -t ${first.pid} -m umount ${first.target}`;
  return new StoreError('failed-precondition', what, why, { hint });
}

/** undefined: there is no such mount any more. */
function stateOf(row: MountRow, here: readonly MountPoint[]): MountState | undefined {
  if (row.boot !== bootId()) return undefined;
  const served = row.driver === 'fuse';
  const alive = served && isAlive(row.process);
  if (process.platform === 'linux') {
    const mount = mountAt(row.target, mountsWhere(row, alive) ?? here);
    if (mount === undefined || !fits(row, mount)) return undefined;
  }
  return served && !alive ? 'dead' : 'live';
}

/**
 * The mounts of the namespace that a row's mount was made in, seen through its server, or through any process
 * there. A namespace in which nobody lives any more has taken its mounts along. undefined: it is our own.
 */
function mountsWhere(row: MountRow, alive: boolean): readonly MountPoint[] | undefined {
  if (row.mountNamespace === '' || row.mountNamespace === mountNamespace()) return undefined;
  const pid = alive ? row.process.pid : processIn(row.mountNamespace);
  return pid === undefined ? [] : readMounts(pid);
}

function fits(row: MountRow, mount: MountPoint): boolean {
  return row.driver === 'fuse' ? mount.type.startsWith('fuse') : !mount.type.startsWith('fuse');
}

/** `major:minor` of the mount that this namespace shows at its place, by which binds of it are known. */
function deviceOf({ target }: MountRow, mounts: readonly MountPoint[]): string | undefined {
  return mountAt(target, mounts)?.device;
}

/** Whether the mount is one of this process's mount namespace: of a container it is not. */
export function isMountedHere({ mountNamespace: made }: MountRow): boolean {
  return made === '' || made === mountNamespace();
}

/**
 * Whether this process comes into the mount by the path that the row has. In another mount namespace, or when it was taken
 * away while somebody is still in there, there lies the folder below the mount, or what else is mounted on it.
 */
export function isWithinReach(row: MountRow): boolean {
  const here = mountAt(row.target, readMounts() ?? []);
  if (here === undefined || !fits(row, here)) return false;
  const there = mountAt(row.target, mountsWhere(row, isAlive(row.process)) ?? []);
  return there === undefined || there.device === here.device;
}

/** If its mount is gone, the server has not come to its end yet: it takes out the row itself. */
function isServed(row: MountRow): boolean {
  return row.boot === bootId() && row.driver === 'fuse' && isAlive(row.process);
}

function detachDead(target: string): boolean {
  try {
    detach(target);
    return true;
  } catch (error) {
    if (error instanceof FsError) return false;
    throw error;
  }
}

/** Takes a FUSE mount away at once, however busy. */
function detach(target: string): void {
  if (sys.hasCapability(sys.CAP_SYS_ADMIN)) {
    sys.unmount(fromText(target), sys.MNT_DETACH | sys.UMOUNT_NOFOLLOW);
  } else {
    sys.unmountWithHelper(fromText(target), true);
  }
}

function sentence(row: MountRow, state: MountState | undefined): string {
  const kept = row.upper !== undefined && row.snapshot !== undefined ? `; ${row.snapshot.key} is kept` : '';
  return state === 'dead'
    ? `cleaned up the mount at ${row.target}, whose server (pid ${row.process.pid}) had died${kept}`
    : `forgot the mount at ${row.target}, which is gone${kept}`;
}

/** One place may be mounted in several mount namespaces. */
function rowName({ target, mountNamespace: made }: MountRow): string {
  return `${nameOf(`${target}\0${made}`)}.json`;
}

function nameOf(target: string): string {
  return createHash('sha256').update(target).digest('hex').slice(0, 16);
}
