// What the tests of the contract work on: a filesystem over the starting tree, made anew before each of them.

import { Attr, type Filesystem, type NodeId } from '../../../fs/filesystem.js';
import type { WriteLayer } from '../../../fs/layer/layer.js';
import { S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from '../../../fs/mode.js';
import { bytes, Paths } from '../paths.js';

export interface FilesystemUnderTest {
  readonly fs: Filesystem;
  /** The same filesystem, ended and begun again. */
  remount(): Filesystem;
  dispose(): void;
}

export interface FilesystemSuiteOptions {
  /** False where a symlink or fifo cannot carry the mark of its origin: no `user.` attribute fits on one. */
  readonly keepsNumbersOfSpecials: boolean;
}

export const OLD = { sec: -86_400, nsec: 123_456_789 };
export const RECENT = { sec: 1_600_000_000, nsec: 987_654_321 };

/** Writes the starting tree into an empty layer. */
export function fillWithStartingTree(layer: WriteLayer): void {
  const file = (dir: string, name: string, content: string, mode = 0o644): void => {
    const made = layer.makeFile(dir, name, { mode: S_IFREG | mode, uid: 0, gid: 0 });
    made.write(0, bytes(content));
    made.close();
  };
  file('', 'file', 'lower');
  const node = layer.hold('', 'file');
  node.chown(7, 8);
  node.chmod(0o640);
  node.setxattr('user.note', bytes('kept'), 0);
  node.utimes(OLD, RECENT);
  node.release();
  file('', 'linked', 'twice');
  const linked = layer.hold('', 'linked');
  layer.link(linked, '', 'other', false);
  linked.release();
  layer.make('', 'folder', { mode: S_IFDIR | 0o2751, uid: 7, gid: 8 });
  file('folder', 'a', 'a');
  file('folder', 'b', 'b');
  layer.make('folder', 'deep', { mode: S_IFDIR | 0o755, uid: 0, gid: 0 });
  file('folder/deep', 'x', 'x');
  const folder = layer.hold('folder', '.');
  folder.utimes(OLD, RECENT);
  folder.release();
  layer.make('', 'symlink', { mode: S_IFLNK | 0o777, uid: 0, gid: 0, target: 'file' });
  layer.make('', 'fifo', { mode: S_IFIFO | 0o600, uid: 0, gid: 0 });
  const sparse = layer.makeFile('', 'sparse', { mode: S_IFREG | 0o644, uid: 0, gid: 0 });
  sparse.write(0, new Uint8Array(4096).fill(1));
  sparse.write(524_288, new Uint8Array(4096).fill(2));
  sparse.truncate(1_048_576);
  sparse.close();
}

export const KEPT = { mode: S_IFREG | 0o640, uid: 7, gid: 8 };
export const TIMES = {
  atimeSec: OLD.sec,
  atimeNsec: OLD.nsec,
  mtimeSec: RECENT.sec,
  mtimeNsec: RECENT.nsec,
};

export class TestedFilesystem {
  readonly options: FilesystemSuiteOptions;
  fs!: Filesystem;
  paths!: Paths;
  #under!: FilesystemUnderTest;

  constructor(options: FilesystemSuiteOptions) {
    this.options = options;
  }

  begin(under: FilesystemUnderTest): void {
    this.#under = under;
    this.#take(under.fs);
  }

  remount(): void {
    this.#take(this.#under.remount());
  }

  end(): void {
    this.#under.dispose();
  }

  #take(fs: Filesystem): void {
    this.fs = fs;
    this.paths = new Paths(fs);
  }

  getattr(node: NodeId): Attr {
    const attr = new Attr();
    this.fs.getattr(node, attr);
    return attr;
  }
}
