// The upper as a real folder. Every change is one step for whoever looks on: new objects are finished in the work
// folder and renamed or linked into place, whiteouts too. Owned by one process (flock on the work folder); what
// descriptors it keeps of folders is dropped when their names change.

import { EEXIST, EINVAL, ENOENT, FsError } from '../errno.js';
import { Attr, RENAME_EXCHANGE } from '../filesystem.js';
import { isFolder, isRegular, S_IFREG } from '../mode.js';
import { assertName, type ByteString, joinPath, toText } from '../name.js';
import {
  AT_FDCWD,
  bootId,
  closeFd,
  deviceOf,
  hasFeature,
  linkFd,
  mayUseTrustedXattrs,
  mountOf,
  O_DIRECTORY,
  O_RDONLY,
  openAt,
  renameAt,
  statAt,
  syncFilesystem,
  unlinkAtIfAny,
} from '../sys/index.js';
import { DirFile } from './dir-file.js';
import { DirLayer } from './dir-layer.js';
import { ObjectMaker } from './dir-make.js';
import { finishMove, moveName } from './dir-move.js';
import { DirNode, UpperFile, UpperNode } from './dir-node.js';
import { putInPlace, takeFolderOut } from './dir-replace.js';
import type { StagePlaces } from './dir-staged.js';
import { FilledFile } from './filled-file.js';
import { IndexFolder } from './index-folder.js';
import type {
  Dialect,
  LayerEntry,
  LayerNode,
  LayerVisitor,
  MarkPrefix,
  NewNode,
  Staged,
  WritableFile,
  WritableNode,
  WriteLayer,
} from './layer.js';
import { isMarkFile, mayHaveWhiteoutFile, WH_PREFIX } from './marks.js';
import type { Numbering } from './real-ids.js';
import { type UpperRules, upperRules } from './upper-rules.js';
import { expectWhiteoutFiles } from './whiteout-file.js';
import { type Holder, WorkFolder } from './work-folder.js';

export interface UpperDirOptions {
  /** The prefix under which marks are written; `trusted` for who may, else `user`. */
  readonly marks?: MarkPrefix;
  /** The layer's name in events; the path if absent. */
  readonly id?: string;
  /** `wh`: `.wh.` files are read as marks too and cannot be made. Whiteouts are written as devices in any case. */
  readonly dialect?: Dialect;
  /** Where the upper is mounted, for the message that a second opener gets. */
  readonly mountPoint?: string;
  /** Of the user namespace in which the layer was made; absent: owners are as this process sees them. */
  readonly numbering?: Numbering;
  /** What is copied into it need not be whole after a power cut: who fills it syncs it at the end, or throws it away. */
  readonly volatile?: boolean;
  /** It is synced as soon as it is filled: large files are sent to the disk while they are written. */
  readonly filling?: boolean;
  /** The size from which on a changed file gets only what is written into it (`WriteLayer.partsFrom`); absent: never. */
  readonly partsFrom?: number;
  /** How long to wait for a holder that is ending. */
  readonly lockWaitMs?: number;
}

const LOCK_WAIT_MS = 10_000;

/**
 * Opens `upperPath` for writing with `workPath` on the same filesystem; both must exist. EBUSY if another process
 * holds it, EXDEV for two filesystems, EINVAL if its work folder names an incompatible feature.
 */
export function openUpperDir(
  upperPath: ByteString,
  workPath: ByteString,
  options: UpperDirOptions = {},
): UpperDir {
  const root = openAt(AT_FDCWD, upperPath, O_RDONLY | O_DIRECTORY);
  try {
    const holder: Holder = {
      pid: process.pid,
      ...(options.mountPoint === undefined ? {} : { mountPoint: options.mountPoint }),
    };
    const wait = options.lockWaitMs ?? LOCK_WAIT_MS;
    const work = new WorkFolder(workPath, deviceOf(root), holder, wait);
    const marks = options.marks ?? (mayUseTrustedXattrs() ? 'trusted' : 'user');
    const dialect = options.dialect ?? 'overlay';
    const id = options.id ?? toText(upperPath);
    try {
      const rules = upperRules(root, marks, dialect, options.numbering, () => work.markStandIns());
      return new UpperDir(root, id, rules, work, options);
    } catch (error) {
      work.close();
      throw error;
    }
  } catch (error) {
    closeFd(root);
    throw error;
  }
}

export class UpperDir extends DirLayer implements WriteLayer {
  declare protected readonly rules: UpperRules;
  readonly volatile: boolean;
  readonly partsFrom: number;
  readonly epoch: string;
  readonly #work: WorkFolder;
  readonly #index: IndexFolder;
  readonly #places: StagePlaces;
  readonly #maker: ObjectMaker;
  readonly #filling: boolean;
  readonly #attr = new Attr();

  constructor(root: number, id: string, rules: UpperRules, work: WorkFolder, options: UpperDirOptions) {
    super(root, id, rules);
    const { volatile: isVolatile = false, partsFrom = Number.POSITIVE_INFINITY } = options;
    this.volatile = isVolatile;
    this.#filling = options.filling === true;
    const boot = bootId();
    this.epoch = `${boot} ${mountOf(root)}`;
    // Which filesystems have blocks where data is, and there alone, is known of those of which blocks tell.
    const possible = rules.blocksTell && boot !== '' && hasFeature('sub-file');
    this.partsFrom = possible ? partsFrom : Number.POSITIVE_INFINITY;
    this.#work = work;
    this.#index = new IndexFolder(work, rules);
    try {
      finishMove(rules, work, (dir) => this.folders.get(dir));
      this.#index.dropOrphans();
    } catch (error) {
      this.folders.close();
      throw error;
    }
    this.#places = {
      work,
      index: this.#index,
      folder: (dir) => this.folder(dir),
      claim: (to, name, replace) => this.#claim(to, name, replace),
      settle: (to, dir, name, replaced) => this.#settle(to, dir, name, replaced),
    };
    this.#maker = new ObjectMaker(rules, this.#places);
  }

  get marks(): MarkPrefix {
    return this.rules.marks;
  }

  get privileged(): boolean {
    return this.rules.privileged && this.rules.keptBits(S_IFREG) === 0;
  }

  get fd(): number {
    return this.root;
  }

  get redirectsArePlain(): boolean {
    return this.rules.marks === 'trusted' && this.rules.dialect === 'overlay';
  }

  /** True if owners, modes or devices stand in override_stat: kernel overlayfs would show other ones. */
  get standIns(): boolean {
    return this.rules.overrides;
  }

  override lookup(dir: ByteString, name: ByteString, out: LayerEntry): boolean {
    this.#work.dropLeft();
    if (!super.lookup(dir, name, out)) return false;
    if (out.interrupted) this.#readHeld(dir, name, out);
    const { mode, nlink } = out.attr;
    const mayLackMark = out.origin === 0 && nlink > 1 && !out.whiteout && !isFolder(mode) && !isRegular(mode);
    if (mayLackMark) this.#index.fillOrigin(out);
    return true;
  }

  override stat(dir: ByteString, name: ByteString, out: LayerEntry): boolean {
    this.#work.dropLeft();
    return super.stat(dir, name, out);
  }

  override hold(dir: ByteString, name: ByteString): UpperNode {
    return new UpperNode(this.holdFd(dir, name), this.rules);
  }

  read(dir: ByteString, visit: LayerVisitor): void {
    this.listAsRead(dir, visit);
  }

  make(dir: ByteString, name: ByteString, what: NewNode): void {
    const to = this.folder(dir);
    this.#claim(to, name, false);
    if (!isRegular(what.mode) && this.#maker.canMakeAt(dir, to, what)) this.#maker.makeAt(to, name, what);
    else this.#publishNew(this.stage(what), dir, name);
  }

  makeFile(dir: ByteString, name: ByteString, what: NewNode): WritableFile {
    const to = this.folder(dir);
    this.#claim(to, name, false);
    if (this.#maker.canMakeAt(dir, to, what)) return this.#opened(this.#maker.makeFileAt(to, name, what));
    const staged = this.#maker.stage(what);
    try {
      return this.#opened(staged.publishOpen(dir, name));
    } catch (error) {
      staged.discard();
      throw error;
    }
  }

  #opened(fd: number): WritableFile {
    return this.#filling ? new FilledFile(fd, this.rules) : new UpperFile(fd, this.rules);
  }

  stage(what: NewNode): Staged {
    return this.#maker.stage(what);
  }

  whiteout(dir: ByteString, name: ByteString): void {
    const to = this.folder(dir);
    this.#claim(to, name, true);
    const { marks } = this.rules;
    this.#work.prepareWhiteout(marks);
    if (this.#work.whiteoutsAreFiles) expectWhiteoutFiles(to, marks);
    if (this.#work.putWhiteout(to, name, marks)) {
      if (mayHaveWhiteoutFile(this.rules.dialect, name)) unlinkAtIfAny(to, WH_PREFIX + name);
      return;
    }
    const temp = this.#work.makeWhiteout(marks);
    try {
      putInPlace(this.rules, this.#work, temp, to, name);
    } finally {
      // Also where the name is a whiteout of the same inode already and rename(2) did nothing.
      this.#work.drop(temp);
    }
    this.#settle(to, dir, name, true);
  }

  unlink(dir: ByteString, name: ByteString): void {
    assertName(name);
    const from = this.folder(dir);
    const file = mayHaveWhiteoutFile(this.rules.dialect, name) && unlinkAtIfAny(from, WH_PREFIX + name);
    if (!unlinkAtIfAny(from, name) && !file) throw new FsError(ENOENT, 'unlink');
  }

  rmdir(dir: ByteString, name: ByteString): void {
    assertName(name);
    const from = this.folder(dir);
    takeFolderOut(this.rules, this.#work, from, name);
    this.#settle(from, dir, name, true);
  }

  rename(
    dir: ByteString,
    name: ByteString,
    newDir: ByteString,
    newName: ByteString,
    leaveWhiteout: boolean,
  ): void {
    assertName(name);
    const from = this.folder(dir);
    const to = this.folder(newDir);
    this.#claim(to, newName, true);
    moveName(
      this.rules,
      this.#work,
      { folder: from, dir, name },
      { folder: to, dir: newDir, name: newName },
      leaveWhiteout,
    );
    this.#forget(joinPath(dir, name));
    this.#settle(to, newDir, newName, true);
  }

  exchange(dir: ByteString, name: ByteString, otherDir: ByteString, otherName: ByteString): void {
    assertName(name);
    assertName(otherName);
    renameAt(this.folder(dir), name, this.folder(otherDir), otherName, RENAME_EXCHANGE);
    this.#forget(joinPath(dir, name));
    this.#forget(joinPath(otherDir, otherName));
  }

  link(node: WritableNode, dir: ByteString, name: ByteString, replace: boolean): void {
    if (!(node instanceof DirNode)) throw new Error('link of an object of another layer');
    const to = this.folder(dir);
    this.#claim(to, name, replace);
    if (!replace) linkFd(node.fd, to, name);
    else {
      const temp = this.#work.freeName();
      linkFd(node.fd, this.#work.fd, temp);
      try {
        putInPlace(this.rules, this.#work, temp, to, name);
      } finally {
        // Also where the name was a link of this object already and rename(2) did nothing.
        this.#work.drop(temp);
      }
    }
    this.#settle(to, dir, name, replace);
  }

  indexKey(source: LayerNode): string {
    return this.#index.keyOfSource(source);
  }

  indexed(key: string): WritableNode | undefined {
    return this.#index.hold(key);
  }

  indexNames(key: string): number {
    return this.#index.names(key);
  }

  setIndexNames(key: string, names: number): void {
    this.#index.setNames(key, names);
  }

  pinIndexNames(key: string): number {
    return this.#index.pin(key);
  }

  linkIndexed(key: string, dir: ByteString, name: ByteString): void {
    const to = this.folder(dir);
    this.#claim(to, name, false);
    this.#index.linking(key, (node) => linkFd(node.fd, to, name));
  }

  indexedKey(node: WritableNode): string | undefined {
    return node instanceof DirNode ? this.#index.keyOf(node) : undefined;
  }

  unindex(key: string): void {
    this.#index.remove(key);
  }

  eachIndexed(visit: (attr: Attr, key: string) => void): void {
    this.#index.each(visit);
  }

  lostNames(key: string): number {
    const lost = this.#index.notes.lost(key);
    if (lost === undefined) return 0;
    const { names, last } = lost;
    if (last === undefined) return names;
    const slash = last.lastIndexOf('/');
    const to = this.folders.get(last.slice(0, Math.max(slash, 0)));
    return to !== undefined && statAt(to, last.slice(slash + 1), this.#attr) ? names : names - 1;
  }

  setLostNames(key: string, names: number, last?: ByteString): void {
    this.#index.notes.setLost(key, { names, last });
  }

  get hasIndexed(): boolean {
    return this.#index.hasEntries;
  }

  get knowsLinks(): boolean {
    return this.hasIndexed || this.#work.hasLinks;
  }

  makeRanges(): { readonly key: string; readonly file: WritableFile } {
    const { key, fd } = this.#work.makeRanges();
    return { key, file: new DirFile(fd, this.rules) };
  }

  openRanges(key: string): WritableFile | undefined {
    const fd = this.#work.openRanges(key);
    return fd === undefined ? undefined : new DirFile(fd, this.rules);
  }

  dropRanges(key: string): void {
    this.#work.dropRanges(key);
  }

  get hasRanges(): boolean {
    return this.#work.hasRanges;
  }

  get guarded(): boolean {
    return this.#work.guarded;
  }

  setGuard(on: boolean): void {
    this.#work.setGuard(on);
  }

  sync(): void {
    syncFilesystem(this.root);
  }

  becomeLower(): void {
    this.#work.close();
  }

  override close(): void {
    this.#work.close();
    super.close();
  }

  /** Puts right what a process that died left unfinished (UpperNode.stat). */
  #readHeld(dir: ByteString, name: ByteString, out: LayerEntry): void {
    const node = this.hold(dir, name);
    try {
      node.stat(out);
    } finally {
      node.release();
    }
  }

  #publishNew(staged: Staged, dir: ByteString, name: ByteString): void {
    try {
      staged.publish(dir, name, false);
    } catch (error) {
      staged.discard();
      throw error;
    }
  }

  /** Folders have moved or gone from this path. */
  #forget(path: ByteString): void {
    this.folders.forget(path);
    this.#maker.forgetFolders();
    this.forgetCopies();
  }

  #claim(to: number, name: ByteString, replace: boolean): void {
    assertName(name);
    if (this.rules.dialect !== 'wh') return;
    if (isMarkFile('wh', name)) throw new FsError(EINVAL, 'name of a whiteout file');
    if (replace || !mayHaveWhiteoutFile('wh', name)) return;
    if (statAt(to, WH_PREFIX + name, this.#attr)) throw new FsError(EEXIST, 'publish');
  }

  #settle(to: number, dir: ByteString, name: ByteString, replaced: boolean): void {
    if (!replaced) return;
    if (mayHaveWhiteoutFile(this.rules.dialect, name)) unlinkAtIfAny(to, WH_PREFIX + name);
    this.#forget(joinPath(dir, name));
  }
}
