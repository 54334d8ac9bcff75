// What the lab shows, as plain data: layers with what lies in each, containers on top of them, and what a command did.
// The page draws it and knows nothing else, so it does not matter whether a union in its own memory or a real mount
// behind `mica lab` is the source. Names and paths are text here; odd bytes of a name are shown, not kept.

import type { Explanation, FileKind, UnionEvent } from '../../fs/memory.js';

/** What lies at one place of one layer, as the disk has it: marks are told apart and also as they are spelled. */
export interface DiskEntry {
  readonly path: string;
  readonly kind: FileKind | 'whiteout';
  /** Permission bits. */
  readonly mode: number;
  /** What `ls -l` shows. */
  readonly size: number;
  /** What it takes of the disk. */
  readonly bytes: number;
  readonly nlink: number;
  /** Of links: equal for the names of one file. */
  readonly ino: number;
  readonly opaque?: boolean;
  readonly redirect?: string;
  /** Its attributes alone are here, or with `part` some of its data. */
  readonly metacopy?: boolean;
  readonly part?: boolean;
  /** The beginning of a file, where it is text. */
  readonly text?: string;
  readonly target?: string;
  /** Extended attributes as the disk has them, marks too. */
  readonly xattrs: Readonly<Record<string, string>>;
  /** Of a file with several names: what the index of hard links of an upper calls its copy. */
  readonly key?: string;
}

/**
 * The index of hard links in the work folder of an upper: each entry is one more name of a file that was copied up, its
 * path the key. By it the names find the copy of which nothing lies in the upper.
 */
export interface LinkIndex {
  /** The folder. */
  readonly path: string;
  readonly entries: readonly DiskEntry[];
}

export interface LayerState {
  readonly id: string;
  readonly name: string;
  /** The container whose changes it takes; absent for what never changes. */
  readonly upperOf?: string;
  /** Where it lies on the disk; absent where that is this page's memory. */
  readonly folder?: string;
  /** Of an upper; absent while nothing is in it. */
  readonly index?: LinkIndex;
  /** Left out of the stack of the active container, in the sandbox. */
  readonly hidden?: boolean;
  /** Of the disk, all entries together. */
  readonly bytes: number;
  readonly entries: readonly DiskEntry[];
  /** How many entries there are beyond these. */
  readonly more: number;
  /** Digests of what is in the layer, and of it on what lies below; absent for uppers and layers of real images. */
  readonly diffId?: string;
  readonly chainId?: string;
}

/** What the union shows. */
export interface MergedEntry {
  readonly path: string;
  readonly kind: FileKind;
  readonly mode: number;
  readonly size: number;
  readonly nlink: number;
  /** The layer that wins. */
  readonly layer: string;
  /** That layer has a copy of it under another name, to which the index of hard links joins this one; or its attributes. */
  readonly indexed?: 'whole' | 'data-below';
}

export interface ContainerState {
  readonly name: string;
  /** Ids of layers, topmost first, the upper (if there is one) among them. */
  readonly layers: readonly string[];
  /** Ids of those that are left out of it, in the sandbox; absent where none is. */
  readonly hidden?: readonly string[];
}

export interface ImageState {
  readonly name: string;
  readonly layers: readonly string[];
}

export interface State {
  /** All that there are, those of the active container first and from the top. */
  readonly layers: readonly LayerState[];
  readonly containers: readonly ContainerState[];
  /** The container that is looked at. */
  readonly active: string;
  readonly images: readonly ImageState[];
  /** The folder that is looked at; '' is the root. */
  readonly focus: string;
  readonly merged: readonly MergedEntry[];
  /** How many more the union shows there. */
  readonly more: number;
  /** What the files of a copy of all that the union shows would take, where `merged` is not all of it. */
  readonly copyBytes?: number;
  /** Nobody has counted yet what is not shown: sums are of what is. */
  readonly counting?: true;
}

/** What a command did. */
export interface Ran {
  readonly line: string;
  /** Nobody typed the line here: it sums up the events. */
  readonly summed?: true;
  readonly output: string;
  readonly failed: boolean;
  readonly events: readonly UnionEvent[];
  /** How the path that it was about resolved before: what a lookup saw. */
  readonly looked?: Explanation;
  readonly state: State;
  /** Of a live mount: the folder in which it happened, where that is not drawn in `state`. */
  readonly there?: State;
}

/** What a file of a layer is to be; a folder above it need not be named. */
export type FileSetup =
  | string
  /** A whiteout. */
  | null
  | { readonly size: number }
  | { readonly folder: true; readonly opaque?: boolean }
  | { readonly symlink: string }
  /** A further name of another file of this layer. */
  | { readonly link: string };

export interface LayerSetup {
  readonly name: string;
  readonly files: Readonly<Record<string, FileSetup>>;
}

export interface Setup {
  /** From the bottom up. */
  readonly layers: readonly LayerSetup[];
  /** Default: one, `box`. */
  readonly containers?: readonly string[];
}

/** What the page asks of whatever is behind it. */
export interface Lab {
  /** `memory`: in the page; `mount`: real mounts made for it; `attached`: somebody's live mount. */
  readonly engine: 'memory' | 'mount' | 'attached';
  /** Begins anew. */
  load(setup: Setup): Promise<State>;
  state(focus?: string): Promise<State>;
  run(line: string): Promise<Ran>;
  /** As `mica explain --json` has it, of the active container. */
  explain(path: string): Promise<Explanation>;
}

/** What the server of a lab tells a page by itself, a line of JSON each. `hello` comes first. */
export type Told =
  /** `lab`: another one after each start of the server; `command`: what starts it again. */
  | { readonly kind: 'hello'; readonly lab: string; readonly command: string; readonly tookOver: boolean }
  /** Of a live mount: what others do there, as it happens. */
  | { readonly kind: 'ran'; readonly ran: Ran }
  /** What is shown has changed without any event. */
  | { readonly kind: 'state'; readonly state: State }
  /** Another page has the lab now. */
  | { readonly kind: 'taken' }
  /** There is nothing more to watch: the live mount is gone. */
  | { readonly kind: 'ended' };
