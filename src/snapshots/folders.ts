// The folders of snapshots, and the order in which they come and go: made under a temporary name, renamed into
// place inside the transaction that names them, renamed away after the one that does not, deleted last. Whoever
// makes a folder holds a flock on it until its row is durable, so that a cleanup in another process, which sees
// no row yet, leaves it alone.

import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { removeFolderTree } from '../../fs/index.js';
import { lockPath } from '../lock-path.js';

/** Temporary names: being made, being removed. A snapshot's own folder is a decimal number. */
const NEW = 'new-';
const OLD = 'rm-';
const ASIDE = 'aside-';

export class SnapshotFolders {
  readonly path: string;

  /** `path` is made when the first snapshot is. */
  constructor(path: string) {
    this.path = path;
  }

  /** The folder of a snapshot. */
  at(id: string): string {
    return join(this.path, id);
  }

  /** The layer of a snapshot. */
  fs(id: string): string {
    return join(this.path, id, 'fs');
  }

  work(id: string): string {
    return join(this.path, id, 'work');
  }

  /** See fs/transport/exchange.ts. */
  marker(id: string): string {
    return join(this.path, id, 'exchanged');
  }

  /**
   * Holds a folder, aside or not, until `release`; undefined where somebody else does. Where it is gone there is nothing to
   * be held.
   */
  hold(id: string): { release(): void } | undefined {
    const places = [join(this.path, id), join(this.path, ASIDE + id)];
    for (const place of places) {
      const lock = lockPath(place);
      if (typeof lock === 'number') return { release: () => closeSync(lock) };
    }
    return places.some((place) => existsSync(place)) ? undefined : { release: () => undefined };
  }

  /** Whoever reaches a folder by its path does so no longer, until `putBack`. A clean-up leaves it alone. */
  putAside(id: string): void {
    renameIfAny(join(this.path, id), join(this.path, ASIDE + id));
  }

  isMarkedAside(id: string): boolean {
    return existsSync(join(this.path, ASIDE + id, 'exchanged'));
  }

  removeAside(id: string): void {
    removeTree(join(this.path, ASIDE + id));
  }

  putBack(id: string): void {
    renameIfAny(join(this.path, ASIDE + id), join(this.path, id));
  }

  /** A folder with `fs` (0755) and, for an active snapshot, `work` (0711), whatever the umask. */
  create(withWork: boolean): NewFolder {
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
    const folder = NewFolder.make(this.path);
    try {
      makeFolder(join(folder.path, 'fs'), 0o755);
      if (withWork) makeFolder(join(folder.path, 'work'), 0o711);
      return folder;
    } catch (error) {
      folder.discard();
      folder.release();
      throw error;
    }
  }

  /** Takes a folder that no row names any more out of sight; returns its new path, undefined if it was gone. */
  retire(id: string): string | undefined {
    if (!existsSync(this.path)) return undefined;
    const away = mkdtempSync(join(this.path, `${OLD}${id}-`));
    try {
      renameSync(join(this.path, id), away);
      return away;
    } catch (error) {
      // Another process that cleans up was faster: whoever renames the folder has it.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      rmSync(away, { recursive: true, force: true });
      return undefined;
    }
  }

  /** Deletes a folder that no row names any more. */
  remove(id: string): void {
    const away = this.retire(id);
    if (away !== undefined) removeTree(away);
  }

  /** Deletes what no row names and nobody is making; `named` is asked while the folder is held. Returns how many. */
  sweep(named: (id: string) => boolean): number {
    return [...this.sweeping(named)].length;
  }

  /** As `sweep`, one at a time: the names of the folders as they go. */
  *sweeping(named: (id: string) => boolean): Generator<string, void> {
    if (!existsSync(this.path)) return;
    for (const name of readdirSync(this.path)) {
      const path = join(this.path, name);
      if (name.startsWith(OLD)) {
        removeTree(path);
        yield name;
      } else if (name.startsWith(NEW) || (/^[0-9]+$/.test(name) && !named(name))) {
        if (this.#sweepOne(path, name, named)) yield name;
      }
    }
  }

  #sweepOne(path: string, name: string, named: (id: string) => boolean): boolean {
    const lock = lockPath(path);
    if (typeof lock === 'string') return false;
    let away: string | undefined;
    try {
      if (named(name)) return false;
      away = this.#moveAway(path, name, lock);
    } finally {
      // Before it is removed: the filesystem has more to do for a folder that somebody has open.
      closeSync(lock);
    }
    if (away === undefined) return false;
    removeTree(away);
    return true;
  }

  /** Takes the folder that `lock` holds out of sight, and no other that was given its name in this moment. */
  #moveAway(path: string, name: string, lock: number): string | undefined {
    const away = join(this.path, `${OLD}${name}-${randomBytes(6).toString('hex')}`);
    if (!renameIfAny(path, away)) return undefined;
    if (lstatSync(away).ino === fstatSync(lock).ino) return away;
    renameSync(away, path);
    return undefined;
  }
}

/** A snapshot's folder before its row is durable. End it with `release`, after `discard` if it came to nothing. */
export class NewFolder {
  readonly #parent: string;
  #path: string;
  readonly #lock: number;

  private constructor(parent: string, path: string, lock: number) {
    this.#parent = parent;
    this.#path = path;
    this.#lock = lock;
  }

  static make(parent: string): NewFolder {
    for (;;) {
      const path = mkdtempSync(join(parent, NEW));
      const lock = lockPath(path);
      // A cleanup may have found the folder before its lock; another one is made then.
      if (typeof lock === 'number') return new NewFolder(parent, path, lock);
    }
  }

  get path(): string {
    return this.#path;
  }

  /** Gives the folder its name for life. Called inside the transaction that puts the row. */
  publish(id: string): void {
    const place = join(this.#parent, id);
    // Left by a process that was killed between its rename and its commit: the id was given out again.
    if (existsSync(place)) renameSync(place, mkdtempSync(join(this.#parent, `${OLD}${id}-`)));
    renameSync(this.#path, place);
    this.#path = place;
  }

  discard(): void {
    removeTree(this.#path);
  }

  release(): void {
    closeSync(this.#lock);
  }
}

/** False if there was nothing. */
function renameIfAny(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return false;
  }
}

/** What a tree may hold that paths do not reach: closed folders, and paths longer than a system call takes. */
const OUT_OF_REACH: ReadonlySet<string | undefined> = new Set([
  'EACCES',
  'EPERM',
  'ENOTEMPTY',
  'ENAMETOOLONG',
]);

/** Deletes a tree, also one with folders that their owner may not enter, however deep. What is gone already is no error. */
export function removeTree(path: string | Buffer): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    if (!OUT_OF_REACH.has((error as NodeJS.ErrnoException).code)) throw error;
    if (process.platform === 'linux') removeFolderTree(Buffer.from(path).toString('latin1'));
    else {
      openFolders(Buffer.from(path));
      rmSync(path, { recursive: true, force: true });
    }
  }
}

const SLASH = Buffer.from('/');

function openFolders(path: Buffer): void {
  chmodSync(path, 0o700);
  for (const name of readdirSync(path, { encoding: 'buffer' })) {
    const below = Buffer.concat([path, SLASH, name]);
    if (lstatSync(below).isDirectory()) openFolders(below);
  }
}

function makeFolder(path: string, mode: number): void {
  mkdirSync(path);
  chmodSync(path, mode);
}
