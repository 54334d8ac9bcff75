// Two entries of two filesystems held side by side: in which aspects do they differ? What a name alone cannot
// tell (which other names are the same file) is not looked at here.
//
// For layers two rules are less strict. Times that differ in nanoseconds alone are the same where either has none:
// most tar writers drop them, and a tree would differ everywhere from its own layer. And what has the same file
// number, type, owner, size and times, the time of change among them, is one object that both trees show: no program
// can set that time, so nothing of it is read. Everything else is read to the end. (containerd trusts equal times of
// files that have nanoseconds, and so misses what was written under a time that was set back.)

import {
  type Attr,
  devMajor,
  devMinor,
  type Filesystem,
  isRegular,
  isSymlink,
  kindOf,
  type NodeId,
  O_RDONLY,
} from '../../fs/index.js';
import type { Visited } from './tree-walk.js';

export type EntryAspect =
  | 'type'
  | 'mode'
  | 'owner'
  | 'device'
  | 'size'
  | 'mtime'
  | 'target'
  | 'xattrs'
  | 'content';

export interface EntryDifference {
  readonly aspect: EntryAspect;
  readonly a: string;
  readonly b: string;
}

const CHUNK = 1 << 20;

export class EntryComparer {
  readonly #a: Filesystem;
  readonly #b: Filesystem;
  readonly #bufferA = new Uint8Array(CHUNK);
  readonly #bufferB = new Uint8Array(CHUNK);
  readonly #forLayers: boolean;

  /** `forLayers`: by the rules above. */
  constructor(a: Filesystem, b: Filesystem, forLayers = false) {
    this.#a = a;
    this.#b = b;
    this.#forLayers = forLayers;
  }

  /** True if there is any difference; content is read only where nothing else tells. */
  differ(a: Visited, b: Visited): boolean {
    return this.differences(a, b).next().done !== true;
  }

  /** The aspects in which two entries differ, content last. Of different types nothing else is compared. */
  *differences(a: Visited, b: Visited, withContent = true): Generator<EntryDifference, void> {
    if (this.#forLayers && isOneObject(a.attr, b.attr)) return;
    const kind = kindOf(a.attr.mode);
    if (kind !== kindOf(b.attr.mode)) {
      yield { aspect: 'type', a: kind, b: kindOf(b.attr.mode) };
      return;
    }
    yield* unequal('mode', octal(a.attr.mode), octal(b.attr.mode));
    yield* unequal('owner', `${a.attr.uid}:${a.attr.gid}`, `${b.attr.uid}:${b.attr.gid}`);
    if (kind === 'char' || kind === 'block') {
      yield* unequal('device', device(a.attr.rdev), device(b.attr.rdev));
    }
    if (!this.#forLayers || !isSameTime(a.attr, b.attr)) yield* unequal('mtime', mtimeOf(a), mtimeOf(b));
    yield* unequal('xattrs', xattrsOf(this.#a, a.node), xattrsOf(this.#b, b.node));
    if (isSymlink(a.attr.mode)) {
      yield* unequal('target', this.#a.readlink(a.node), this.#b.readlink(b.node));
    }
    if (!isRegular(a.attr.mode)) return;
    yield* unequal('size', String(a.attr.size), String(b.attr.size));
    if (a.attr.size !== b.attr.size || !withContent) return;
    const at = this.#firstDifference(a, b);
    if (at !== undefined) yield { aspect: 'content', a: `byte ${at}`, b: 'differs' };
  }

  /** The offset of the first byte of content that differs. */
  #firstDifference(a: Visited, b: Visited): number | undefined {
    if (a.attr.size === 0) return undefined;
    const handleA = this.#a.open(a.node, O_RDONLY);
    const handleB = this.#b.open(b.node, O_RDONLY);
    try {
      for (let offset = 0; offset < a.attr.size; offset += CHUNK) {
        const countA = this.#a.read(handleA, offset, this.#bufferA);
        const countB = this.#b.read(handleB, offset, this.#bufferB);
        const partA = this.#bufferA.subarray(0, countA);
        if (Buffer.compare(partA, this.#bufferB.subarray(0, countB)) === 0) continue;
        const at = partA.findIndex((byte, i) => i >= countB || byte !== this.#bufferB[i]);
        return offset + (at < 0 ? countA : at);
      }
      return undefined;
    } finally {
      this.#a.release(handleA);
      this.#b.release(handleB);
    }
  }
}

function isOneObject(a: Attr, b: Attr): boolean {
  return (
    a.ino === b.ino &&
    a.ctimeSec === b.ctimeSec &&
    a.ctimeNsec === b.ctimeNsec &&
    a.mtimeSec === b.mtimeSec &&
    a.mtimeNsec === b.mtimeNsec &&
    a.size === b.size &&
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.rdev === b.rdev
  );
}

function isSameTime(a: Attr, b: Attr): boolean {
  if (a.mtimeSec !== b.mtimeSec) return false;
  return a.mtimeNsec === b.mtimeNsec || a.mtimeNsec === 0 || b.mtimeNsec === 0;
}

function unequal(aspect: EntryAspect, a: string, b: string): EntryDifference[] {
  return a === b ? [] : [{ aspect, a, b }];
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}

function device(rdev: number): string {
  return `${devMajor(rdev)}:${devMinor(rdev)}`;
}

function mtimeOf({ attr }: Visited): string {
  return `${attr.mtimeSec}.${String(attr.mtimeNsec).padStart(9, '0')}`;
}

function xattrsOf(fs: Filesystem, node: NodeId): string {
  const words: string[] = [];
  for (const name of [...fs.listxattr(node)].sort()) {
    const value = fs.getxattr(node, name);
    if (value !== undefined) words.push(`${name}=${Buffer.from(value).toString('hex')}`);
  }
  return words.join(' ');
}
