// The folders of a store: made with the right modes whatever the umask, and refused in one line where they cannot
// be used. Names and layout: the drawing in store.ts.

import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { StoreError } from './errors.js';

export interface StoreFolders {
  readonly root: string;
  readonly metadata: string;
  readonly content: string;
  readonly snapshots: string;
  readonly chains: string;
}

/**
 * The folders below `root`, made where they are missing. Blobs and metadata are the owner's alone. A layer may be
 * reached by others where root owns the store, because containers with user ids of their own look into it (the
 * modes inside the layers decide); an ordinary user's store is private as a whole.
 */
export function ensureStoreFolders(root: string): StoreFolders {
  const what = `cannot open the store in ${root}`;
  const through = process.geteuid?.() === 0 ? 0o711 : 0o700;
  const folders: StoreFolders = {
    root,
    metadata: join(root, 'metadata'),
    content: join(root, 'content'),
    snapshots: join(root, 'snapshots'),
    chains: join(root, 'chains'),
  };
  ensureFolder(root, through, what);
  ensureFolder(folders.metadata, 0o700, what);
  ensureFolder(folders.content, 0o700, what);
  ensureFolder(folders.snapshots, through, what);
  ensureFolder(folders.chains, through, what);
  return folders;
}

/**
 * The folder of sockets and pid files, mode 0700. Where it stood before, it must be a folder of this user that
 * nobody else can write to: its default place may be in a shared folder for temporary files, where anybody could
 * have put one with this name.
 */
export function ensureStateFolder(state: string): void {
  const what = `cannot use the state folder ${state}`;
  ensureFolder(state, 0o700, what, '--state');
  const found = lstatSync(state);
  const mine = process.geteuid?.();
  if (mine !== undefined && (!found.isDirectory() || found.uid !== mine || (found.mode & 0o022) !== 0)) {
    throw new StoreError('failed-precondition', what, 'it does not belong to this user alone', {
      hint: 'remove it, or choose another with --state',
    });
  }
}

/** `option` chooses another one. */
function ensureFolder(path: string, mode: number, what: string, option = '--root'): void {
  try {
    if (make(path, mode)) return;
    if (!statSync(path).isDirectory()) {
      throw new StoreError('failed-precondition', what, `${path} is not a folder`);
    }
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw refusal(error, path, what, option);
  }
}

/** False if something of this name is there. */
function make(path: string, mode: number): boolean {
  try {
    mkdirSync(dirname(path), { recursive: true });
    mkdirSync(path, { mode });
    // mkdir(2) takes the umask away from the mode.
    chmodSync(path, mode);
    // What is acknowledged later lies below: it is only as durable as this name.
    syncFolder(dirname(path));
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && statSync(path, { throwIfNoEntry: false }) !== undefined) return false;
    throw error;
  }
}

function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function refusal(error: unknown, path: string, what: string, option: string): StoreError {
  if (error instanceof StoreError) return error;
  const hint = `choose a folder that this user may write to, with ${option}`;
  switch (codeOf(error)) {
    case 'EACCES':
    case 'EPERM':
      return new StoreError('failed', what, `no permission to write in ${path}`, { cause: error, hint });
    case 'EROFS':
      return new StoreError('failed', what, `${path} is on a read-only filesystem`, { cause: error, hint });
    case 'ENOTDIR':
    case 'EEXIST':
      return new StoreError('failed-precondition', what, `a part of ${path} is not a folder`, {
        cause: error,
      });
    default:
      return new StoreError('failed', what, error instanceof Error ? error.message : String(error), {
        cause: error,
      });
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
