// What a lab has on the machine beside its process: a scratch folder with mounts in it, and for an image a snapshot. It is
// noted in STATE/labs before it is made, in a file that the lab holds a lock on as long as it lives; the kernel gives the
// lock back with the process. So whoever comes later knows what a killed lab has left, and touches nothing of one that lives.

import { randomBytes } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { sys } from '../../../fs/index.js';
import { isKind } from '../../errors.js';
import { lockPath } from '../../lock-path.js';
import { unmountSnapshot } from '../../mounts/mount-snapshot.js';
import { readMounts } from '../../mounts/mountinfo.js';
import { isMountedHere, type ListedMount, MountTable } from '../../mounts/table.js';
import { ensureStateFolder } from '../../root-folder.js';
import { removeTree } from '../../snapshots/folders.js';
import type { Context } from '../context.js';

/** On a snapshot: the lab that made it, and removes it. */
export const MADE_BY_LAB = 'io.micafs.lab';

/** How long a server may take that notices that its lab is gone. */
const ENDING_MS = 5000;

interface Note {
  /** Absolute, without symlinks. */
  readonly scratch: string;
  readonly snapshot?: { readonly root: string; readonly namespace: string; readonly key: string };
}

export class Belongings {
  /** Nobody else's. */
  readonly id: string;
  /** An empty folder of this user alone. */
  readonly scratch: string;
  readonly #path: string;
  readonly #lock: number;

  /** Notes down what is to be, and makes the folder. */
  constructor(state: string, snapshot?: Note['snapshot']) {
    ensureStateFolder(state);
    mkdirSync(folderOf(state), { recursive: true, mode: 0o700 });
    this.id = randomBytes(9).toString('hex');
    this.scratch = join(realpathSync(tmpdir()), `mica-lab-${this.id}`);
    this.#path = join(folderOf(state), `${this.id}.json`);
    const fresh = `${this.#path}.new`;
    this.#lock = openSync(fresh, 'wx', 0o600);
    // Its name comes last: what has it is locked, or its lab is dead.
    sys.lock(this.#lock);
    const note: Note = { scratch: this.scratch, ...(snapshot && { snapshot }) };
    writeFileSync(this.#lock, JSON.stringify(note));
    renameSync(fresh, this.#path);
    mkdirSync(this.scratch, { mode: 0o700 });
  }

  /** When the mounts and the snapshot are gone. */
  release(): void {
    removeTree(this.scratch);
    rmSync(this.#path, { force: true });
    closeSync(this.#lock);
  }
}

/**
 * Removes what killed labs have left: mounts that are still there, snapshots of the store of --root, scratch folders.
 * Returns the scratch folders. What is in use, in another mount namespace or another store stays noted, for the next time.
 */
export async function sweepLabs(context: Context): Promise<readonly string[]> {
  const folder = folderOf(context.settings.state);
  const removed: string[] = [];
  for (const name of namesIn(folder)) {
    const path = join(folder, name);
    // Of a lab that has ended, unless somebody else is removing what it left.
    const lock = lockPath(path);
    if (typeof lock === 'string') continue;
    try {
      const note = JSON.parse(readFileSync(path, 'utf8')) as Note;
      if (!(await remove(context, name.slice(0, -'.json'.length), note))) continue;
      rmSync(path, { force: true });
      removed.push(note.scratch);
    } finally {
      closeSync(lock);
    }
  }
  return removed;
}

function folderOf(state: string): string {
  return join(state, 'labs');
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.json'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** False if something of it must stay. */
async function remove(context: Context, id: string, { scratch, snapshot }: Note): Promise<boolean> {
  const { state, root } = context.settings;
  const isWithin = (target: string): boolean => target === scratch || target.startsWith(scratch + sep);
  const table = new MountTable(state);
  for (const row of table.list().filter(({ target }) => isWithin(target))) {
    if (!isMountedHere(row)) return false;
    if (row.state === 'dead') await unmountSnapshot(row.target, state);
    else if (!(await hasEnded(row, table))) return false;
  }
  // Nothing may be removed through a mount.
  if ((readMounts() ?? []).some(({ target }) => isWithin(target))) return false;
  if (snapshot !== undefined) {
    if (snapshot.root !== root || !(await hasRemoved(context, id, snapshot))) return false;
  }
  removeTree(scratch);
  return true;
}

/** The server of a mount in the lab's scratch folder ends by itself, but not while somebody is still in there. */
async function hasEnded(row: ListedMount, table: MountTable): Promise<boolean> {
  try {
    await table.serverGone(row, undefined, ENDING_MS);
    return true;
  } catch (error) {
    if (isKind(error, 'failed-precondition')) return false;
    throw error;
  }
}

/** False if it is in use. */
async function hasRemoved(
  context: Context,
  id: string,
  { namespace, key }: NonNullable<Note['snapshot']>,
): Promise<boolean> {
  const { snapshots } = (await context.store()).inNamespace(namespace);
  try {
    // Another one may have the key by now.
    if ((await snapshots.stat(key)).labels[MADE_BY_LAB] === id) await snapshots.remove(key);
    return true;
  } catch (error) {
    if (isKind(error, 'not-found')) return true;
    if (isKind(error, 'failed-precondition')) return false;
    throw error;
  }
}
