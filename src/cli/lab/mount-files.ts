// Files of a real mount by the paths that are typed in the lab. No symlink is followed, neither on the way nor at the end: the
// tree is not this machine's, and a link in it may point anywhere.

import { constants, type Stats } from 'node:fs';
import {
  chmod,
  type FileHandle,
  link,
  lstat,
  lutimes,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  rmdir,
  symlink,
  truncate,
  unlink,
} from 'node:fs/promises';
import { join } from 'node:path';
import { errnoText, kindOf, PERMISSION_BITS } from '../../../fs/index.js';
import { type FileStat, type Files, namesOf, ShellError } from '../../web/shell.js';

/** How much of a file is read. */
const SHOWN_BYTES = 65536;
/** How much is copied at once. */
const COPIED_BYTES = 1_048_576;

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_TRUNC, O_WRONLY } = constants;
const HOW = { replace: O_WRONLY | O_CREAT | O_TRUNC, append: O_WRONLY | O_CREAT | O_APPEND } as const;

export class MountFiles implements Files {
  readonly #top: string;

  /** `top`: a mount point, absolute. */
  constructor(top: string) {
    this.#top = top;
  }

  async list(path: string): Promise<readonly { name: string; folder: boolean }[]> {
    const entries = await this.#at(path, (real) => readdir(real, { withFileTypes: true }));
    return entries.map((entry) => ({ name: entry.name, folder: entry.isDirectory() }));
  }

  async read(path: string): Promise<string> {
    if ((await this.#stats(path)).isSymbolicLink()) {
      return `-> ${await this.readlink(path)}\n`;
    }
    return this.#opened(path, O_RDONLY, async (file) => {
      const into = Buffer.alloc(SHOWN_BYTES);
      const { bytesRead } = await file.read(into, 0, into.length, 0);
      return into.toString('utf8', 0, bytesRead);
    });
  }

  async stat(path: string): Promise<FileStat> {
    const { mode, size, nlink, ino } = await this.#stats(path);
    return { kind: kindOf(mode), mode: mode & PERMISSION_BITS, size, nlink, ino };
  }

  async copy(from: string, to: string): Promise<void> {
    await this.#opened(from, O_RDONLY, async (source) => {
      const { mode } = await source.stat();
      await this.#opened(to, HOW.replace, (target) => copyAll(source, target), mode & PERMISSION_BITS);
    });
  }

  async write(path: string, text: string, how: 'replace' | 'append' | number): Promise<void> {
    const flags = typeof how === 'number' ? O_WRONLY | O_CREAT : HOW[how];
    await this.#opened(path, flags, async (file) => {
      const data = Buffer.from(text);
      if (data.length > 0) await file.write(data, 0, data.length, typeof how === 'number' ? how : null);
    });
  }

  async truncate(path: string, size: number): Promise<void> {
    await this.#noLink(path);
    await this.#at(path, (real) => truncate(real, size));
  }

  async touch(path: string): Promise<void> {
    const now = new Date();
    await this.#at(path, (real) => lutimes(real, now, now));
  }

  async chmod(path: string, mode: number): Promise<void> {
    await this.#noLink(path);
    await this.#at(path, (real) => chmod(real, mode));
  }

  async mkdir(path: string): Promise<void> {
    await this.#at(path, (real) => mkdir(real));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#at(from, (one) => this.#at(to, (other) => rename(one, other)));
  }

  async link(from: string, to: string): Promise<void> {
    await this.#at(from, (one) => this.#at(to, (other) => link(one, other)));
  }

  async symlink(target: string, path: string): Promise<void> {
    await this.#at(path, (real) => symlink(target, real));
  }

  async readlink(path: string): Promise<string> {
    return this.#at(path, (real) => readlink(real));
  }

  async unlink(path: string): Promise<void> {
    await this.#at(path, (real) => unlink(real));
  }

  async rmdir(path: string): Promise<void> {
    await this.#at(path, (real) => rmdir(real));
  }

  /**
   * ShellError for what has no data of its own. A pipe would keep whoever opens it, or reads from it, until somebody comes to
   * its other end, and the lab with all its threads.
   */
  #opened<T>(path: string, flags: number, act: (file: FileHandle) => Promise<T>, mode = 0o644): Promise<T> {
    return this.#at(path, async (real) => {
      const file = await open(real, flags | O_NOFOLLOW | O_NONBLOCK, mode);
      try {
        const stats = await file.stat();
        if (!stats.isFile() && !stats.isDirectory()) throw new ShellError(`${path}: it is no regular file`);
        return await act(file);
      } finally {
        await file.close();
      }
    });
  }

  #stats(path: string): Promise<Stats> {
    return this.#at(path, (real) => lstat(real));
  }

  async #noLink(path: string): Promise<void> {
    if ((await this.#stats(path)).isSymbolicLink()) throw new ShellError(`${path}: it is a symlink`);
  }

  /** Runs `act` on the real path, whose folders were seen to be folders; failures name the path as it was typed. */
  async #at<T>(path: string, act: (real: string) => Promise<T>): Promise<T> {
    const parts = namesOf(path);
    try {
      for (let n = 1; n < parts.length; n++) {
        const folder = parts.slice(0, n).join('/');
        if (!(await lstat(join(this.#top, folder))).isDirectory()) {
          throw new ShellError(`${path}: ${folder} is no folder`);
        }
      }
      return await act(join(this.#top, ...parts));
    } catch (error) {
      const { errno } = error as NodeJS.ErrnoException;
      if (errno === undefined || !(error instanceof Error)) throw error;
      throw new ShellError(`${path}: ${errnoText(-errno)}`, { cause: error });
    }
  }
}

async function copyAll(source: FileHandle, target: FileHandle): Promise<void> {
  const piece = Buffer.alloc(COPIED_BYTES);
  for (let at = 0; ; ) {
    const { bytesRead } = await source.read(piece, 0, piece.length, at);
    if (bytesRead === 0) return;
    at += (await target.write(piece, 0, bytesRead, at)).bytesWritten;
  }
}
