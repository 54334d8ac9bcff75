// The layers on which failures are tried, on disk and in memory, and what can be seen of a union: a line an entry
// with all that a failed operation must leave alone. The lowers are made once; each try gets an upper of its own.

import { execFileSync } from 'node:child_process';
import {
  linkSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLowerDir } from '../../fs/layer/dir-layer.js';
import { openUpperDir, type UpperDir } from '../../fs/layer/dir-upper.js';
import type { MarkPrefix } from '../../fs/layer/layer.js';
import { kindOf } from '../../fs/mode.js';
import { type ByteString, fromText } from '../../fs/name.js';
import { AT_FDCWD, closeFd, listXattrsAt, O_RDONLY, openAt, setXattr } from '../../fs/sys/index.js';
import { Union } from '../../fs/union/union.js';
import { Paths } from '../suites/paths.js';
import type { Operation } from './operations.js';

const OLD_SEC = 1_000_000_000;

/** Folders of a test: two lowers, filled, and places for uppers. */
export class Places {
  readonly base = mkdtempSync(join(tmpdir(), 'mica-faults-'));
  readonly marks: MarkPrefix;
  #uppers = 0;

  constructor(marks: MarkPrefix) {
    this.marks = marks;
    fillLower(join(this.base, 'low'), join(this.base, 'top'));
  }

  /** An empty upper with its work folder. */
  fresh(): Upper {
    const path = join(this.base, `upper${this.#uppers++}`);
    mkdirSync(join(path, 'fs'), { recursive: true });
    mkdirSync(join(path, 'work'));
    return new Upper(this, path);
  }

  remove(): void {
    execFileSync('rm', ['-rf', this.base]);
  }
}

/** A mounted union, in this process. */
export interface Opened {
  readonly union: Union;
  readonly paths: Paths;
  readonly upper: UpperDir;
}

export class Upper {
  readonly #places: Places;
  readonly path: string;

  constructor(places: Places, path: string) {
    this.#places = places;
    this.path = path;
  }

  /** Of the layer, and for its work. */
  get folders(): [upper: ByteString, work: ByteString] {
    return [fromText(join(this.path, 'fs')), fromText(join(this.path, 'work'))];
  }

  open({ volatile: isVolatile = false } = {}): Opened {
    const { base, marks } = this.#places;
    const at = (name: string) => fromText(join(base, name));
    const lowers = ['top', 'low'].map((name) => openLowerDir(at(name), { id: name, marks: [marks] }));
    const upper = openUpperDir(...this.folders, {
      marks,
      volatile: isVolatile,
      // Of the files there is only `g` so large.
      partsFrom: 8192,
      lockWaitMs: 0,
    });
    const union = new Union({ lowers, upper });
    return { union, paths: new Paths(union), upper };
  }

  /** What lies in the work folder beside the whiteout that others are links of, which goes when the upper is closed. */
  rubbish(): string[] {
    const left = readdirSync(join(this.path, 'work/work'), { withFileTypes: true });
    return left
      .filter((entry) => !entry.isCharacterDevice() && !STANDING.has(entry.name))
      .map(({ name }) => name)
      .filter((name) => !this.#isWhiteoutFile(name));
  }

  /** The whiteout of which others are hard links stays as long as the upper is open, also as a marked file. */
  #isWhiteoutFile(name: string): boolean {
    const path = fromText(join(this.path, 'work/work', name));
    return listXattrsAt(AT_FDCWD, path).some((xattr) => xattr.endsWith('.overlay.whiteout'));
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }
}

/** The upper in the state in which the operation is to be tried. */
export function prepared(operation: Operation, upper: Upper): Opened {
  const first = upper.open();
  operation.prepare?.(first.paths, first.union);
  first.union.destroy();
  return upper.open();
}

function fillLower(low: string, top: string): void {
  mkdirSync(join(low, 'd/sub'), { recursive: true });
  mkdirSync(join(low, 'e'));
  mkdirSync(join(top, 'd'), { recursive: true });
  writeFileSync(join(low, 'f'), 'content of f');
  writeFileSync(join(low, 'g'), Buffer.alloc(9000, 'g'));
  truncateSync(join(low, 'g'), 40_000);
  writeFileSync(join(low, 'd/sub/x'), 'x');
  writeFileSync(join(top, 'd/a'), 'a');
  writeFileSync(join(top, 'h1'), 'linked');
  linkSync(join(top, 'h1'), join(top, 'h2'));
  linkSync(join(top, 'h1'), join(top, 'd/h3'));
  symlinkSync('f', join(low, 'l'));
  execFileSync('mkfifo', [join(low, 'p')]);
  const fd = openAt(AT_FDCWD, fromText(join(low, 'f')), O_RDONLY);
  setXattr(fd, 'user.x', new TextEncoder().encode('kept'), 0);
  closeFd(fd);
  for (const layer of [low, top]) {
    for (const name of readdirSync(layer, { recursive: true }) as string[]) {
      lutimesSync(join(layer, name), OLD_SEC, OLD_SEC);
    }
  }
}

/** What stands as long as the guard does. */
const STANDING: ReadonlySet<string> = new Set(['incompat', 'ranges']);

export interface Shown {
  /**
   * With file numbers: they are compared where the same objects are seen again. `markable`: only those of files and
   * folders, because under `user.` nothing else can note which number it had before its copy-up.
   */
  readonly numbers?: 'all' | 'markable';
  /** With the times of folders, which a kill between a copy-up and its last step may leave touched. */
  readonly folderTimes?: boolean;
}

/** One line an entry, in path order; links counted, and times as they are. */
export function shown(paths: Paths, { numbers, folderTimes = false }: Shown = {}): string[] {
  const lines: string[] = [];
  const walk = (folder: string): void => {
    for (const { name, ino, type } of paths.list(folder).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = folder === '' ? name : `${folder}/${name}`;
      const attr = paths.stat(path);
      const kind = kindOf(attr.mode);
      const words = [
        path,
        kind,
        `type=${type}`,
        attr.mode.toString(8),
        `${attr.uid}:${attr.gid}`,
        `links=${attr.nlink}`,
      ];
      const markable = kind === 'file' || kind === 'folder';
      if (numbers === 'all' || (numbers === 'markable' && markable))
        words.push(`ino=${attr.ino}`, `d_ino=${ino}`);
      // What the moment of a change decides is left out where the change is wanted.
      const old = attr.mtimeSec < 1_500_000_000;
      if (kind !== 'folder' || folderTimes)
        words.push(old ? `mtime=${attr.mtimeSec}.${attr.mtimeNsec}` : 'mtime=new');
      for (const xattr of [...paths.with(path, (node) => paths.fs.listxattr(node))].sort()) {
        if (xattr.startsWith('security.selinux')) continue;
        words.push(`${xattr}=${paths.getxattr(path, xattr)}`);
      }
      if (kind === 'file')
        words.push(`size=${attr.size}`, JSON.stringify(paths.read(path).replaceAll('\0', '')));
      if (kind === 'symlink') words.push(paths.readlink(path));
      lines.push(words.join(' '));
      if (kind === 'folder') walk(path);
    }
  };
  walk('');
  return lines;
}
