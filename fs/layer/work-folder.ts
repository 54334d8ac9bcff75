// The work folder of an upper, laid out as kernel overlayfs lays it out: `work/` holds what has no name yet and
// is emptied at open, `index/` joins hard links, `work/incompat/` names what other readers cannot understand; and
// `links/`, which is ours, has notes on hard links. What the next opener has to finish stands in a note in `work/`.
// Whoever has the flock on the work folder is the upper's one writer; the kernel frees it when that process ends.

import {
  attempt,
  EBUSY,
  EEXIST,
  EINVAL,
  EMLINK,
  ENOTEMPTY,
  EOPNOTSUPP,
  EPERM,
  EXDEV,
  FsError,
  isErrno,
} from '../errno.js';
import { Attr } from '../filesystem.js';
import { S_IFCHR } from '../mode.js';
import { type ByteString, toText } from '../name.js';
import {
  AT_FDCWD,
  closeFd,
  deviceOf,
  linkErrno,
  listFolder,
  makeFolderAt,
  makeNodeAt,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  openAt,
  openAtIfAny,
  readAt,
  removeFolderAt,
  removeFolderErrno,
  statAt,
  statFd,
  truncateFd,
  tryLock,
  unlinkAtIfAny,
  writeAllAt,
} from '../sys/index.js';
import type { MarkPrefix } from './layer.js';
import { emptyFolder, openPrivateFolder, removeAny } from './remove-tree.js';
import { makeWhiteoutFile } from './whiteout-file.js';

/** Who holds an upper, for the message that somebody else gets. */
export interface Holder {
  readonly pid: number;
  readonly mountPoint?: string;
}

const HOLDER_FILE = 'holder.json';
const INCOMPAT = 'incompat';
/** What a change of several steps has begun. */
const NOTE = 'note';
/** Our own entry in `work/incompat`: the upper is not plain. */
const GUARD = 'mica';
/** Owners or types stand in override_stat, which no settling changes. */
const STAND_INS = 'mica-stand-ins';
/** Sidecars of files that have some of their data; as long as the guard stands. */
const RANGES = 'ranges';
const LOCK_STEP_MS = 50;
const CLOSED = -1;

export class WorkFolder {
  /** `WORK/work`, open for reading; CLOSED after `close`, so that who comes late gets EBADF. */
  fd: number;
  #outer: number;
  #index: number | undefined;
  #links: number | undefined;
  #ranges: number | undefined;
  #hadLinks: boolean | undefined;
  #names = 0;
  #guarded: boolean;
  /** A whiteout of which others are hard links, as the kernel makes them. */
  #sharedWhiteout: ByteString | undefined;
  #whiteoutsAreFiles = false;
  /** Names in `work/` that should be gone, and that the disk did not take back. */
  readonly #left = new Set<ByteString>();

  /**
   * Locks and empties the work folder at `path`. EBUSY, naming the holder, if it is still held after `waitMs`;
   * EXDEV if it is not on the filesystem `device`; EINVAL if an entry of `work/incompat` says that the upper
   * cannot be trusted (`volatile`) or is not understood.
   */
  constructor(path: ByteString, device: string, holder: Holder, waitMs: number) {
    this.#outer = openAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
    try {
      if (deviceOf(this.#outer) !== device) throw new FsError(EXDEV, 'upper and work folder');
      this.#lock(path, waitMs);
      this.#writeHolder(holder);
      this.fd = openPrivateFolder(this.#outer, 'work');
    } catch (error) {
      closeFd(this.#outer);
      throw error;
    }
    try {
      this.#guarded = this.#readIncompat();
      emptyFolder(this.fd, this.#guarded ? [INCOMPAT, NOTE, RANGES] : [INCOMPAT, NOTE]);
      if (this.hasIndex) this.#cleanIndex(this.index());
    } catch (error) {
      if (this.#index !== undefined) closeFd(this.#index);
      closeFd(this.fd);
      closeFd(this.#outer);
      throw error;
    }
  }

  /** A name in `work/` that nobody has, spelled as the kernel spells them. */
  freeName(): ByteString {
    return `#${(this.#names++).toString(16)}`;
  }

  /** True once it turned out that this filesystem keeps the device 0:0 for itself: whiteouts are files then. */
  get whiteoutsAreFiles(): boolean {
    return this.#whiteoutsAreFiles;
  }

  /** A whiteout in `work/` under a fresh name; `marks` is the spelling of one that is a file. */
  makeWhiteout(marks: MarkPrefix): ByteString {
    const name = this.freeName();
    if (!this.putWhiteout(this.fd, name, marks)) throw new FsError(EEXIST, 'whiteout');
    return name;
  }

  /** Puts a whiteout at a name of a folder, in one step; false if there is something. */
  putWhiteout(to: number, name: ByteString, marks: MarkPrefix): boolean {
    for (;;) {
      const shared = this.prepareWhiteout(marks);
      const failure = linkErrno(this.fd, shared, to, name);
      if (failure === 0) return true;
      if (failure === EEXIST) return false;
      if (failure !== EMLINK) throw new FsError(failure, 'whiteout');
      this.drop(shared);
      this.#sharedWhiteout = undefined;
    }
  }

  /** Makes the whiteout that others are links of, unless there is one; afterwards `whiteoutsAreFiles` is known. Returns its name. */
  prepareWhiteout(marks: MarkPrefix): ByteString {
    if (this.#sharedWhiteout !== undefined) return this.#sharedWhiteout;
    const shared = this.freeName();
    this.#makeWhiteoutAt(shared, marks);
    this.#sharedWhiteout = shared;
    return shared;
  }

  #makeWhiteoutAt(name: ByteString, marks: MarkPrefix): void {
    if (!this.#whiteoutsAreFiles) {
      try {
        makeNodeAt(this.fd, name, S_IFCHR, 0);
        return;
      } catch (error) {
        if (!isErrno(error, EPERM) && !isErrno(error, EOPNOTSUPP)) throw error;
        this.#whiteoutsAreFiles = true;
      }
    }
    makeWhiteoutFile(this.fd, name, marks);
  }

  /** Removes what lies at a name of `work/`, if anything does. What cannot be removed now is tried again (`dropLeft`). */
  drop(name: ByteString): void {
    if (!attempt(() => removeAny(this.fd, name, () => this.freeName()))) this.#left.add(name);
  }

  /** To be called before links are counted: what lies in `work/` by mistake may be one more name of a file. */
  dropLeft(): void {
    if (this.#left.size === 0) return;
    for (const name of this.#left) {
      if (attempt(() => removeAny(this.fd, name, () => this.freeName()))) this.#left.delete(name);
    }
  }

  /** Writes down what has begun, for the next opener, if the process dies before `dropNote`. */
  writeNote(text: string): void {
    const fd = openAt(this.fd, NOTE, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    try {
      truncateFd(fd, 0);
      writeAllAt(fd, 0, new TextEncoder().encode(text));
    } finally {
      closeFd(fd);
    }
  }

  /** What a process that died wrote down, which may end anywhere; undefined if there is nothing. */
  readNote(): string | undefined {
    const fd = openAtIfAny(this.fd, NOTE, O_RDONLY | O_NOFOLLOW);
    if (fd === undefined) return undefined;
    try {
      const attr = new Attr();
      statFd(fd, attr);
      const bytes = new Uint8Array(attr.size);
      return new TextDecoder().decode(bytes.subarray(0, readAt(fd, 0, bytes)));
    } finally {
      closeFd(fd);
    }
  }

  dropNote(): void {
    this.drop(NOTE);
  }

  /** The descriptor of `index/`, which is made if it is missing. */
  index(): number {
    this.#index ??= openPrivateFolder(this.#outer, 'index');
    return this.#index;
  }

  get hasIndex(): boolean {
    return this.#index !== undefined || statAt(this.#outer, 'index', new Attr());
  }

  /** The descriptor of `links/` (link-notes.ts), which is made if it is missing. */
  links(): number {
    this.#links ??= openPrivateFolder(this.#outer, 'links');
    return this.#links;
  }

  get hasLinks(): boolean {
    this.#hadLinks ??= statAt(this.#outer, 'links', new Attr());
    return this.#hadLinks || this.#links !== undefined;
  }

  /** A new, empty sidecar, open for reading and writing. */
  makeRanges(): { readonly key: string; readonly fd: number } {
    this.#ranges ??= openPrivateFolder(this.fd, RANGES);
    for (;;) {
      const key = randomKey();
      try {
        return { key, fd: openAt(this.#ranges, key, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600) };
      } catch (error) {
        if (!isErrno(error, EEXIST)) throw error;
      }
    }
  }

  /** undefined if there is none. */
  openRanges(key: string): number | undefined {
    if (key === '' || !this.hasRanges) return undefined;
    this.#ranges ??= openPrivateFolder(this.fd, RANGES);
    return openAtIfAny(this.#ranges, key, O_RDWR | O_NOFOLLOW);
  }

  dropRanges(key: string): void {
    if (key !== '' && this.#ranges !== undefined) unlinkAtIfAny(this.#ranges, key);
  }

  get hasRanges(): boolean {
    return this.#ranges !== undefined || statAt(this.fd, RANGES, new Attr());
  }

  get guarded(): boolean {
    return this.#guarded;
  }

  setGuard(on: boolean): void {
    if (on === this.#guarded) return;
    this.#setIncompat(GUARD, on);
    this.#guarded = on;
    if (!on && this.hasRanges) this.#dropAllRanges();
  }

  /** From now on the kernel refuses this upper, because it would show other owners and types than we do. */
  markStandIns(): void {
    if (this.fd !== CLOSED) this.#setIncompat(STAND_INS, true);
  }

  /** Lets go of the upper. May be called again. */
  close(): void {
    if (this.fd === CLOSED) return;
    if (this.#sharedWhiteout !== undefined) this.drop(this.#sharedWhiteout);
    this.#left.clear();
    attempt(() => unlinkAtIfAny(this.#outer, HOLDER_FILE));
    if (this.#index !== undefined) closeFd(this.#index);
    if (this.#links !== undefined) closeFd(this.#links);
    if (this.#ranges !== undefined) closeFd(this.#ranges);
    closeFd(this.fd);
    closeFd(this.#outer);
    this.fd = CLOSED;
    this.#outer = CLOSED;
    this.#index = CLOSED;
    this.#links = CLOSED;
    this.#ranges = CLOSED;
  }

  /** What is left, because nobody could remove it with its file. */
  #dropAllRanges(): void {
    if (this.#ranges !== undefined) closeFd(this.#ranges);
    this.#ranges = undefined;
    this.drop(RANGES);
  }

  #lock(path: ByteString, waitMs: number): void {
    const never = new Int32Array(new SharedArrayBuffer(4));
    for (let waited = 0; !tryLock(this.#outer); waited += LOCK_STEP_MS) {
      if (waited >= waitMs) throw new FsError(EBUSY, `${toText(path)} is held by ${this.#readHolder()}`);
      Atomics.wait(never, 0, 0, LOCK_STEP_MS);
    }
  }

  #writeHolder(holder: Holder): void {
    const fd = openAt(this.#outer, HOLDER_FILE, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    try {
      truncateFd(fd, 0);
      writeAllAt(fd, 0, new TextEncoder().encode(JSON.stringify(holder)));
    } finally {
      closeFd(fd);
    }
  }

  #readHolder(): string {
    const fd = openAtIfAny(this.#outer, HOLDER_FILE, O_RDONLY | O_NOFOLLOW);
    if (fd === undefined) return 'another process';
    try {
      const bytes = new Uint8Array(8192);
      const text = new TextDecoder().decode(bytes.subarray(0, readAt(fd, 0, bytes)));
      const pid = /"pid":(\d+)/.exec(text)?.[1];
      const mountPoint = /"mountPoint":("(?:[^"\\]|\\.)*")/.exec(text)?.[1];
      if (pid === undefined) return 'another process';
      return mountPoint === undefined
        ? `process ${pid}`
        : `process ${pid}, mounted at ${JSON.parse(mountPoint)}`;
    } finally {
      closeFd(fd);
    }
  }

  #setIncompat(name: ByteString, on: boolean): void {
    const incompat = openPrivateFolder(this.fd, INCOMPAT);
    try {
      if (!on) removeFolderAt(incompat, name);
      else if (!statAt(incompat, name, new Attr())) makeFolderAt(incompat, name, 0o700);
    } finally {
      closeFd(incompat);
    }
    const failure = on ? 0 : removeFolderErrno(this.fd, INCOMPAT);
    if (failure !== 0 && failure !== ENOTEMPTY) throw new FsError(failure, 'guard');
  }

  /** True if our guard stands. Any other entry is a feature that is not understood here (ovl_workdir_cleanup). */
  #readIncompat(): boolean {
    if (!statAt(this.fd, INCOMPAT, new Attr())) return false;
    const incompat = openPrivateFolder(this.fd, INCOMPAT);
    let guarded = false;
    try {
      listFolder(incompat, (name) => {
        if (name === GUARD) guarded = true;
        else if (name !== STAND_INS) throw new FsError(EINVAL, `upper ${incompatible(toText(name))}`);
        return undefined;
      });
    } finally {
      closeFd(incompat);
    }
    return guarded;
  }

  /**
   * What was being made (ovl_indexdir_cleanup), which may be a folder: overlayfs leaves one when it fails to copy up
   * a removed folder that is open. Entries of which no name is left are the index's own affair.
   */
  #cleanIndex(index: number): void {
    const gone: ByteString[] = [];
    listFolder(index, (name) => {
      if (name.startsWith('#')) gone.push(name);
      return undefined;
    });
    let fresh = 0;
    for (const name of gone) removeAny(index, name, () => `#x${fresh++}`);
  }
}

/** Why an entry of `work/incompat` keeps an upper from being used, and what to do. */
function incompatible(feature: string): string {
  if (feature !== 'volatile') return `with the feature '${feature}', which is not known here (work/incompat)`;
  return (
    'that was mounted volatile and may lack what was not yet on disk at a crash: ' +
    'make it anew, or, if there was no crash, remove work/incompat/volatile in its work folder'
  );
}

/** 16 hexadecimal digits. Nothing is secret about them, so the first use of a cryptographic source need not be waited for. */
function randomKey(): string {
  const half = () => Math.floor(Math.random() * 2 ** 32).toString(16);
  return half().padStart(8, '0') + half().padStart(8, '0');
}
