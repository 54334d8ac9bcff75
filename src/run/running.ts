// Which containers run: one folder each in STATE/containers, with the place where the snapshot is mounted, the files that
// lie over those of /etc, and a note of the processes. As the mount table it is a note, never the truth: what a crash or
// a reboot left is recognised, and `mica rm` cleans it up.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StoreError } from '../errors.js';
import { bootId, isAlive, type ProcessMark } from '../mounts/process-life.js';

/** Which container, of all that use one state folder. */
export interface ContainerPlace {
  /** The root folder of its store. */
  readonly root: string;
  readonly namespace: string;
  readonly id: string;
}

export interface RunningNote {
  /** `mica run`. */
  readonly runner: ProcessMark;
  /** The container's first process; killing it ends all of them. */
  readonly init: ProcessMark;
  readonly boot: string;
}

export class RunningContainers {
  readonly #folder: string;

  constructor(state: string) {
    this.#folder = join(state, 'containers');
  }

  /** The folder of a container, made with `root` in it. */
  ensureFolder(place: ContainerPlace): string {
    const folder = this.#folderOf(place);
    mkdirSync(join(folder, 'root'), { recursive: true, mode: 0o700 });
    return folder;
  }

  put(place: ContainerPlace, note: Omit<RunningNote, 'boot'>): void {
    const path = join(this.#folderOf(place), 'running.json');
    writeFileSync(`${path}.new`, JSON.stringify({ ...note, boot: bootId() }), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  /** undefined if the container does not run: nothing of it is alive. */
  get(place: ContainerPlace): RunningNote | undefined {
    const note = this.#read(join(this.#folderOf(place), 'running.json'));
    if (note === undefined || note.boot !== bootId()) return undefined;
    return isAlive(note.runner) || isAlive(note.init) ? note : undefined;
  }

  /** Of a container that does not run. Nothing is mounted there outside of its own namespaces. */
  removeFolder(place: ContainerPlace): void {
    rmSync(this.#folderOf(place), { recursive: true, force: true });
  }

  #folderOf({ root, namespace, id }: ContainerPlace): string {
    const name = createHash('sha256').update([root, namespace, id].join('\0')).digest('hex').slice(0, 16);
    return join(this.#folder, name);
  }

  #read(path: string): RunningNote | undefined {
    try {
      return JSON.parse(readFileSync(path, 'utf8')) as RunningNote;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new StoreError('corrupt', 'cannot read which containers run', `${path} is damaged`, {
        cause: error,
      });
    }
  }
}
