// A stack of layer folders as plain data: what the store knows and a mount server, or a command that works
// without a mount, opens. Paths here are text, as they stand in the store and on command lines.

import { EPERM, FsError } from '../errno.js';
import { fromText } from '../name.js';
import { mayUseTrustedXattrs, namespaceNumbering } from '../sys/index.js';
import { chainFile, keepChain, type OpenIndexedLayer, openChain } from './chain-index.js';
import type { SnapshotFacts } from './dir-index.js';
import { openLowerDir } from './dir-layer.js';
import { openUpperDir } from './dir-upper.js';
import type { Dialect, MarkPrefix, ReadLayer, SpaceLimit, WriteLayer } from './layer.js';
import { LimitedUpper } from './limited-upper.js';
import type { Numbering } from './real-ids.js';

export interface LowerDescription {
  /** The layer's folder, absolute. */
  readonly path: string;
  /** How events and `explain` name the layer. */
  readonly id: string;
  readonly dialect: Dialect;
  /** Absent: whichever this process can read. */
  readonly marks?: MarkPrefix;
  /** Of the user namespace in which the layer was made; absent: owners are as the opening process sees them. */
  readonly numbering?: Numbering;
  /** The folder is that of a committed snapshot, which has an index beside it (see dir-index.ts) or gets one. */
  readonly facts?: SnapshotFacts;
  /** Lowers: others may change the folder while it is mounted, and the mount shows it. */
  readonly changes?: boolean;
}

export interface UpperDescription extends LowerDescription {
  /** The work folder, on the filesystem of `path`. */
  readonly work: string;
  readonly marks: MarkPrefix;
  /** See UpperDirOptions. */
  readonly volatile?: boolean;
  readonly filling?: boolean;
  /**
   * See UpperDirOptions. For who reaches the server before anything reads the folder: what is in part a file's own is shown
   * by this program alone.
   */
  readonly partsFrom?: number;
  /** The upper takes no more than that: see limited-upper.ts. It is measured when it is opened. */
  readonly quota?: SpaceLimit;
}

export interface StackDescription {
  /** Topmost first. */
  readonly lowers: readonly LowerDescription[];
  /** Layers of data alone (overlayfs's `::`), topmost first: no name of theirs is shown. */
  readonly data?: readonly LowerDescription[];
  /** Absent: the union is read only. */
  readonly upper?: UpperDescription;
  /**
   * The folder of flattened indexes. With it the lowest layers, as far up as all have `facts`, are opened as one.
   * Worth it for who looks at many names; each chain that is new costs a merge.
   */
  readonly chains?: string;
}

/** The layers of a description, open. A Union that is made of them closes them when it is destroyed. */
export interface OpenStack {
  /** Topmost first; a flattened chain stands for all of its layers. */
  readonly lowers: readonly ReadLayer[];
  readonly upper?: WriteLayer;
  /** Absent if there are none. */
  readonly data?: readonly ReadLayer[];
  /** Closes all layers; for those who do not hand them to a Union. */
  close(): void;
}

/**
 * Opens every layer of a stack; the upper is then held by this process alone. Fails as `openLowerDir` and
 * `openUpperDir` do (ENOENT, ENOTDIR, EBUSY for an upper in use, ...), and with EPERM where the marks of a layer
 * cannot be read; nothing is left open then.
 * `mountPoint` is what a second opener of the upper is told.
 */
export function openStack(description: StackDescription, mountPoint?: string): OpenStack {
  const opened: ReadLayer[] = [];
  const close = () => {
    for (const layer of opened.splice(0)) layer.close();
  };
  // Asked of /proc once for all layers.
  let here: Numbering | undefined;
  let readsTrusted: boolean | undefined;
  // A process that cannot see `trusted.` marks would silently show what they hide.
  const assertReadable = ({ path, marks }: LowerDescription) => {
    if (marks !== 'trusted') return;
    readsTrusted ??= mayUseTrustedXattrs();
    if (!readsTrusted) {
      throw new FsError(EPERM, `${path} has marks under trusted., which only root can read`);
    }
  };
  try {
    const openLower = (lower: LowerDescription): ReadLayer => {
      const { path, id, dialect, marks, numbering, changes = false } = lower;
      assertReadable(lower);
      if (numbering !== undefined) here ??= namespaceNumbering();
      const layer = openLowerDir(fromText(path), {
        id,
        dialect,
        changes,
        anyMayLackData: description.data !== undefined,
        ...(numbering === undefined ? {} : { numbering }),
        ...(here === undefined ? {} : { here }),
        ...(marks === undefined ? {} : { marks: [marks] }),
      });
      opened.push(layer);
      return layer;
    };
    const folders = description.lowers.map(openLower);
    const data = description.data === undefined ? {} : { data: description.data.map(openLower) };
    const lowers = flattened(description, folders);
    if (description.upper === undefined) return { lowers, ...data, close };
    assertReadable(description.upper);
    const upper = openUpper(description.upper, mountPoint);
    opened.push(upper);
    return { lowers, upper, ...data, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** Opens an upper alone, as `openStack` does. */
export function openUpper(description: UpperDescription, mountPoint?: string): WriteLayer {
  const { path, work, id, dialect, marks, numbering, partsFrom, quota } = description;
  const upper = openUpperDir(fromText(path), fromText(work), {
    id,
    dialect,
    marks,
    volatile: description.volatile === true,
    filling: description.filling === true,
    ...(numbering === undefined ? {} : { numbering }),
    ...(partsFrom === undefined ? {} : { partsFrom }),
    ...(mountPoint === undefined ? {} : { mountPoint }),
  });
  return quota === undefined ? upper : new LimitedUpper(upper, quota);
}

/**
 * Makes the flattened index of a stack where it is missing, so that whoever opens the stack next (a mount server,
 * whose memory is kept small) only has to read it. Fails as `openStack` does.
 */
export function prepareStack({ lowers, chains }: StackDescription): void {
  if (chains === undefined) return;
  const { lowers: folders, close } = openStack({ lowers });
  try {
    keepChain(chainOf(lowers, folders), chains);
  } finally {
    close();
  }
}

/**
 * The file of the flattened index of a whole stack without an upper, for the kernel's EROFS: a mount of it shows the tree,
 * and names the data of each file from the folder on in which `<layer id>/fs` are. Made now where it was not kept;
 * undefined where there is none, or its marks are not `trusted.`. Fails as `openStack` does.
 */
export function stackImage({ lowers, upper, data = [], chains }: StackDescription): string | undefined {
  if (chains === undefined || upper !== undefined || data.length > 0) return undefined;
  const { lowers: folders, close } = openStack({ lowers });
  try {
    const chain = chainOf(lowers, folders);
    if (chain.length < lowers.length || chain[0]?.marks !== 'trusted') return undefined;
    return chainFile(chain, chains);
  } finally {
    close();
  }
}

/** The layers as the union takes them: as few as can be. Closing one that is flattened closes its folders. */
function flattened(
  { lowers, chains }: StackDescription,
  folders: readonly ReadLayer[],
): readonly ReadLayer[] {
  if (chains === undefined) return folders;
  const chain = chainOf(lowers, folders);
  const one = openChain(chain, chains);
  return one === undefined ? folders : [...folders.slice(0, lowers.length - chain.length), one];
}

/** The lowest layers, as far up as all are committed snapshots. */
function chainOf(lowers: readonly LowerDescription[], folders: readonly ReadLayer[]): OpenIndexedLayer[] {
  const chain: OpenIndexedLayer[] = [];
  for (let i = lowers.length - 1; i >= 0; i--) {
    const { path, dialect, marks, facts } = lowers[i]!;
    if (facts === undefined || marks === undefined) break;
    chain.unshift({ path, dialect, marks, facts, layer: folders[i]! });
  }
  return chain;
}
