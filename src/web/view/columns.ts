// Which columns the picture has, and how each cell of it looks: what a layer holds at a path, and whether anybody sees
// it there. The union has decided that; here the decision is only looked up.

import type { DiskEntry, LayerState, MergedEntry, State } from '../model.js';
import { namesIn, numberIn } from './link-index.js';

/** More than these are not drawn; the page says how many there are. */
const MOST_COLUMNS = 40;

export type Look =
  | 'nothing'
  | 'file'
  | 'folder'
  | 'whiteout'
  | 'opaque'
  | 'redirect'
  | 'metadata'
  | 'part'
  | 'indexed'
  | 'other';

export interface PictureCell {
  readonly layer: LayerState;
  readonly look: Look;
  readonly entry?: DiskEntry;
  /** It is what the union shows, or a part of it. */
  readonly shows: boolean;
  /** Something above hides it. */
  readonly covered: boolean;
  /** It is seen under another path, because a redirect above leads here. */
  readonly seenAs?: string;
  /** The other names that this file has in the layer. */
  readonly names: readonly string[];
}

export interface Column {
  readonly path: string;
  readonly merged?: MergedEntry;
  /** From the top, as the sheets lie, and then those beside. */
  readonly cells: readonly PictureCell[];
}

export interface Picture {
  /** The active container's, from the top. */
  readonly sheets: readonly LayerState[];
  /** Layers that are there, and not under this container. */
  readonly beside: readonly LayerState[];
  readonly columns: readonly Column[];
  readonly more: number;
}

type Entries = Pick<ReadonlyMap<string, DiskEntry>, 'get'>;

const NOTHING: Entries = new Map();

export function pictureOf(state: State): Picture {
  const stack = state.containers.find(({ name }) => name === state.active)?.layers ?? [];
  const sheets = state.layers.filter((layer) => stack.includes(layer.id) || layer.hidden === true);
  const beside = state.layers.filter((layer) => layer.upperOf === undefined && !sheets.includes(layer));
  const merged = new Map(state.merged.map((entry) => [entry.path, entry]));
  const paths = new Set(merged.keys());
  for (const { entries } of [...sheets, ...beside]) for (const { path } of entries) paths.add(path);
  const sorted = [...paths].sort(inTreeOrder);
  const byLayer = sheets.map(({ entries }) => new Map(entries.map((entry) => [entry.path, entry])));
  const looked = byLayer.map((entries, at) => (sheets[at]?.hidden === true ? NOTHING : entries));
  const redirects = redirectsOf(sheets);
  const columns = sorted.slice(0, MOST_COLUMNS).map((path): Column => {
    const shown = merged.get(path);
    let covered = false;
    const cells = sheets.map((layer, at): PictureCell => {
      const entry = byLayer[at]!.get(path);
      // The copy of a file under another name: nothing lies at this one.
      const isIndexed = shown?.indexed !== undefined && shown.layer === layer.name && entry === undefined;
      const look = isIndexed ? 'indexed' : lookOf(entry);
      const isCovered = covered || coversAbove(looked.slice(0, at), path) || layer.hidden === true;
      const ends = look !== 'nothing' && layer.hidden !== true && look !== 'folder' && look !== 'redirect';
      const isPart = shown !== undefined && !isCovered && look !== 'nothing' && look !== 'whiteout';
      const goesOn = look === 'metadata' || look === 'part' || (isIndexed && shown.indexed === 'data-below');
      covered ||= ends && !goesOn;
      const via = layer.hidden !== true && entry ? redirects.filter((one) => one.sheet < at) : [];
      const seenAs = via.flatMap((one) => {
        if (!isWithin(path, one.target)) return [];
        const as = one.path + path.slice(one.target.length);
        return merged.has(as) && !endsOnTheWay(looked.slice(0, at), one, path, as) ? [as] : [];
      })[0];
      const isSeen = seenAs !== undefined;
      return {
        layer,
        look,
        ...(entry && { entry }),
        shows: isPart || isSeen,
        covered: isCovered && look !== 'nothing' && !isSeen,
        names: isIndexed || entry !== undefined ? namesBeside(layer, path, state) : [],
        ...(isSeen && { seenAs }),
      };
    });
    return { path, ...(shown && { merged: shown }), cells: [...cells, ...besideCells(beside, path, state)] };
  });
  return { sheets, beside, columns, more: sorted.length - columns.length + state.more };
}

/** What lies there; the union knows nothing of it. */
function besideCells(beside: readonly LayerState[], path: string, state: State): readonly PictureCell[] {
  return beside.map((layer) => {
    const entry = layer.entries.find((one) => one.path === path);
    const names = entry === undefined ? [] : namesBeside(layer, path, state);
    return { layer, look: lookOf(entry), ...(entry && { entry }), shows: false, covered: false, names };
  });
}

function namesBeside(layer: LayerState, path: string, state: State): readonly string[] {
  const ino = numberIn(layer, path, state);
  return ino === undefined ? [] : namesIn(layer, ino).filter((one) => one !== path);
}

export interface Redirect {
  /** Which sheet has it, from the top. */
  readonly sheet: number;
  readonly path: string;
  readonly target: string;
}

/** Redirects of folders, and of files without data, with the paths that they lead to; of layers that are looked at. */
export function redirectsOf(sheets: readonly LayerState[]): readonly Redirect[] {
  return sheets.flatMap(({ entries, hidden }, sheet) =>
    entries.flatMap(({ path, redirect }) => {
      if (redirect === undefined || hidden === true) return [];
      const sibling = path.slice(0, path.lastIndexOf('/') + 1) + redirect;
      return [{ sheet, path, target: redirect.startsWith('/') ? redirect.slice(1) : sibling }];
    }),
  );
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

/**
 * Of what is at a path and would be seen as another by a redirect: something in the layers above it (from the top) ends the
 * search, down to the redirect at the path as which it is seen, and below that at its own.
 */
function endsOnTheWay(
  above: readonly Entries[],
  { sheet, path: moved }: Redirect,
  path: string,
  as: string,
): boolean {
  const inMoved: Entries = {
    get: (one) => (one.startsWith(`${moved}/`) ? above[sheet]!.get(one) : undefined),
  };
  const ends = (layers: readonly Entries[], at: string) =>
    coversAbove(layers, at) || layers.some((entries) => endsSearch(entries.get(at)));
  return ends([...above.slice(0, sheet), inMoved], as) || ends(above.slice(sheet + 1), path);
}

/** Or leads it elsewhere. */
function endsSearch(entry: DiskEntry | undefined): boolean {
  if (entry === undefined) return false;
  return entry.redirect !== undefined || !['folder', 'metadata', 'part'].includes(lookOf(entry));
}

/** A folder, then what is in it, then the next one. */
function inTreeOrder(a: string, b: string): number {
  const one = a.split('/');
  const other = b.split('/');
  for (let i = 0; i < Math.min(one.length, other.length); i++) {
    if (one[i] !== other[i]) return one[i]! < other[i]! ? -1 : 1;
  }
  return one.length - other.length;
}

function lookOf(entry: DiskEntry | undefined): Look {
  if (entry === undefined) return 'nothing';
  if (entry.kind === 'whiteout') return 'whiteout';
  if (entry.kind === 'folder') {
    if (entry.opaque === true) return 'opaque';
    return entry.redirect === undefined ? 'folder' : 'redirect';
  }
  if (entry.part === true) return 'part';
  if (entry.metacopy === true) return 'metadata';
  return entry.kind === 'file' ? 'file' : 'other';
}

/** A folder above the path is whited out, opaque or another kind of thing in one of these layers. */
function coversAbove(above: readonly Entries[], path: string): boolean {
  const parts = path.split('/');
  return above.some((entries) =>
    parts.slice(1).some((_, at) => {
      const folder = entries.get(parts.slice(0, at + 1).join('/'));
      return (
        folder !== undefined &&
        (folder.kind !== 'folder' || folder.opaque === true || folder.redirect !== undefined)
      );
    }),
  );
}
