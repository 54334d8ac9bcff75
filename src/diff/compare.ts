// Two filesystems side by side, entry by entry: what a test and the demo go by. It sees what a process would
// see: type, mode, owner, device, times of change, xattrs, which names are one file, content.

import { type ByteString, type Filesystem, isFolder, joinPath, kindOf, ROOT_NODE } from '../../fs/index.js';
import { type EntryAspect, EntryComparer } from './compare-entry.js';
import { lookUp, namesIn, nodeAt, type Visited } from './tree-walk.js';

export type Aspect = EntryAspect | 'presence' | 'links';

/** One way in which two entries differ; `a` and `b` say how, in words and numbers. */
export interface Difference {
  readonly path: ByteString;
  readonly aspect: Aspect;
  readonly a: string;
  readonly b: string;
}

export interface CompareOptions {
  /** Aspects that may differ; with `content` no file is read. */
  readonly ignore?: readonly Aspect[];
}

/** Everything in which `a` and `b` differ, in the order of a walk. A name that one lacks is told once, not what is in it. */
export function* compare(
  a: Filesystem,
  b: Filesystem,
  options: CompareOptions = {},
): Generator<Difference, void> {
  const ignored = new Set(options.ignore);
  for (const difference of new Comparison(a, b, !ignored.has('content')).run()) {
    if (!ignored.has(difference.aspect)) yield difference;
  }
}

class Comparison {
  readonly #a: Filesystem;
  readonly #b: Filesystem;
  readonly #comparer: EntryComparer;
  readonly #withContent: boolean;
  /** The first path of each file with several names, by file number, on either side. */
  readonly #linksOfA = new Map<number, ByteString>();
  readonly #linksOfB = new Map<number, ByteString>();

  constructor(a: Filesystem, b: Filesystem, withContent: boolean) {
    this.#a = a;
    this.#b = b;
    this.#comparer = new EntryComparer(a, b);
    this.#withContent = withContent;
  }

  *run(): Generator<Difference, void> {
    const a = nodeAt(this.#a, '')!;
    const b = nodeAt(this.#b, '')!;
    const root = { path: '', node: ROOT_NODE };
    yield* this.#pair({ ...root, attr: a.attr }, { ...root, attr: b.attr });
  }

  *#pair(a: Visited, b: Visited): Generator<Difference, void> {
    for (const difference of this.#comparer.differences(a, b, this.#withContent)) {
      yield { path: a.path, ...difference };
    }
    const folders = Number(isFolder(a.attr.mode)) + Number(isFolder(b.attr.mode));
    if (folders === 2) yield* this.#folders(a, b);
    if (folders > 0) return;
    const firstOfA = firstName(this.#linksOfA, a);
    const firstOfB = firstName(this.#linksOfB, b);
    if (firstOfA !== firstOfB) yield { path: a.path, aspect: 'links', a: firstOfA, b: firstOfB };
  }

  *#folders(folderA: Visited, folderB: Visited): Generator<Difference, void> {
    const names = new Set([...namesIn(this.#a, folderA.node), ...namesIn(this.#b, folderB.node)]);
    for (const name of [...names].sort()) {
      const path = joinPath(folderA.path, name);
      const a = lookUp(this.#a, folderA.node, name);
      const b = lookUp(this.#b, folderB.node, name);
      try {
        if (a !== undefined && b !== undefined) {
          yield* this.#pair({ path, node: a.node, attr: a.attr }, { path, node: b.node, attr: b.attr });
        } else if (a !== undefined || b !== undefined) {
          const word = (entry: typeof a) => (entry === undefined ? 'absent' : kindOf(entry.attr.mode));
          yield { path, aspect: 'presence', a: word(a), b: word(b) };
        }
      } finally {
        if (a !== undefined) this.#a.forget(a.node, 1);
        if (b !== undefined) this.#b.forget(b.node, 1);
      }
    }
  }
}

/** Of a file with several names the first one that the walk met; of others their own. */
function firstName(links: Map<number, ByteString>, { path, attr }: Visited): ByteString {
  if (attr.nlink < 2) return path;
  const first = links.get(attr.ino);
  if (first === undefined) links.set(attr.ino, path);
  return first ?? path;
}
