// Places in a container's tree to mount over. Called when that tree is the root of the process, so that no symlink of an
// image leads out of it. What an image does not have is made, and remembered, because it belongs to no change of the
// container.

import {
  lstatSync,
  mkdirSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { StoreError } from '../errors.js';
import type { MadePoint } from './messages.js';

/** The kernel's own limit (path_resolution(7)). */
const LINKS_MAX = 40;

export class MountPoints {
  readonly made: MadePoint[] = [];

  /** The path without symlinks of a folder, made if it is missing. invalid-argument if a file is there. */
  folder(path: string): string {
    return this.#place(path, true, 0);
  }

  /** The same for what is no folder. */
  file(path: string): string {
    return this.#place(path, false, 0);
  }

  #place(path: string, isFolder: boolean, links: number): string {
    const what = `cannot mount at ${path}`;
    if (links > LINKS_MAX) throw new StoreError('invalid-argument', what, 'too many symlinks');
    const found = lstatIfAny(path);
    if (found === undefined) return this.#make(path, isFolder, links);
    if (found.isSymbolicLink()) {
      return this.#place(resolve(realpathSync(dirname(path)), readlinkSync(path)), isFolder, links + 1);
    }
    if (found.isDirectory() !== isFolder) {
      throw new StoreError(
        'invalid-argument',
        what,
        isFolder ? 'it is a file in the image' : 'it is a folder in the image',
      );
    }
    return realpathSync(path);
  }

  #make(path: string, isFolder: boolean, links: number): string {
    const folder = this.#place(dirname(path), true, links);
    const place = join(folder, basename(path));
    const folderMtimeNs = statSync(folder, { bigint: true }).mtimeNs.toString();
    if (isFolder) mkdirSync(place, 0o755);
    else writeFileSync(place, '', { mode: 0o644, flag: 'wx' });
    this.made.push({ path: place, isFolder, folderMtimeNs });
    return place;
  }
}

function lstatIfAny(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'ENOTDIR') {
      throw new StoreError(
        'invalid-argument',
        `cannot mount at ${path}`,
        'a part of it is a file in the image',
      );
    }
    throw error;
  }
}
