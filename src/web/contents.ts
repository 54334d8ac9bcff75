// What lies in a layer, as a list: the layer is asked for its names and marks, whether it is in memory or a folder.

import {
  Attr,
  type ByteString,
  fromBytes,
  ifAllowed,
  isFolder,
  isRegular,
  isSymlink,
  joinPath,
  kindOf,
  LayerEntry,
  type LayerNode,
  PERMISSION_BITS,
  type ReadLayer,
  toText,
} from '../../fs/memory.js';
import type { DiskEntry, LinkIndex } from './model.js';

/** How much of a file is shown. */
const SHOWN_BYTES = 160;
/** Beyond so many entries a layer is only counted. */
export const MOST_ENTRIES = 400;

export interface Contents {
  readonly entries: readonly DiskEntry[];
  readonly more: number;
  readonly bytes: number;
  /** As a layer of the model has them. */
  readonly folder?: string;
  readonly index?: LinkIndex;
}

/** What a layer does not tell by itself of what lies at a place of it. */
export interface Reads {
  /** As the disk has them. */
  xattrs(dir: ByteString, name: ByteString, entry: LayerEntry): Record<string, string>;
  /** What an index of hard links calls it. */
  linkKey(node: LayerNode): string | undefined;
  /** Told the bytes of the path of each entry, in order. */
  listed?(path: ByteString): void;
}

/** Everything below `focus` that the layer has and this process may see, `depth` folders deep, in path order, folders before what is in them. */
export function contentsOf(
  layer: ReadLayer,
  reads: Reads,
  focus: ByteString = '',
  depth = Number.POSITIVE_INFINITY,
): Contents {
  const entries: DiskEntry[] = [];
  const entry = new LayerEntry(new Attr());
  let more = 0;
  let bytes = 0;
  const visit = (dir: ByteString, left: number): void => {
    const names: ByteString[] = [];
    ifAllowed(() => layer.list(dir, (name) => names.push(name)), undefined);
    for (const name of names.sort()) {
      if (!ifAllowed(() => layer.lookup(dir, name, entry), false)) continue;
      bytes += entry.attr.blocks * 512;
      const descends = !entry.whiteout && isFolder(entry.attr.mode);
      if (entries.length < MOST_ENTRIES) {
        entries.push(diskEntry(layer, dir, name, entry, reads));
        reads.listed?.(joinPath(dir, name));
      } else more++;
      if (descends && more === 0 && left > 1) visit(joinPath(dir, name), left - 1);
    }
  };
  const has =
    focus === '' || (layer.lookup(parentOf(focus), nameOf(focus), entry) && isFolder(entry.attr.mode));
  if (has && !entry.whiteout) visit(focus, depth);
  return { entries, more, bytes };
}

function parentOf(path: ByteString): ByteString {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0));
}

function nameOf(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf('/') + 1);
}

function diskEntry(
  layer: ReadLayer,
  dir: ByteString,
  name: ByteString,
  entry: LayerEntry,
  reads: Reads,
): DiskEntry {
  const { attr, whiteout, opaque, redirect, metacopy, ranges } = entry;
  const isData = !whiteout && isRegular(attr.mode);
  const text = isData && !metacopy ? ifAllowed(() => beginning(layer, dir, name), undefined) : undefined;
  const hasNames = !whiteout && !isFolder(attr.mode) && attr.nlink > 1;
  const key = hasNames ? held(layer, dir, name, (node) => reads.linkKey(node)) : undefined;
  return {
    path: toText(joinPath(dir, name)),
    kind: whiteout ? 'whiteout' : kindOf(attr.mode),
    mode: attr.mode & PERMISSION_BITS,
    size: whiteout ? 0 : attr.size,
    bytes: attr.blocks * 512,
    nlink: attr.nlink,
    ino: attr.ino,
    ...(opaque && { opaque }),
    ...(redirect !== undefined && { redirect: toText(redirect) }),
    ...(metacopy && { metacopy }),
    ...(metacopy && ranges !== undefined && { part: true }),
    ...(text !== undefined && { text }),
    ...(!whiteout &&
      isSymlink(attr.mode) && { target: toText(held(layer, dir, name, (node) => node.readlink())) }),
    ...(key !== undefined && { key }),
    xattrs: reads.xattrs(dir, name, entry),
  };
}

function held<T>(layer: ReadLayer, dir: ByteString, name: ByteString, ask: (node: LayerNode) => T): T {
  const node = layer.hold(dir, name);
  try {
    return ask(node);
  } finally {
    node.release();
  }
}

/** undefined for what is no text. */
function beginning(layer: ReadLayer, dir: ByteString, name: ByteString): string | undefined {
  const file = layer.open(dir, name);
  try {
    const into = new Uint8Array(SHOWN_BYTES);
    const bytes = into.subarray(0, file.read(0, into));
    return bytes.includes(0) ? undefined : toText(fromBytes(bytes));
  } finally {
    file.close();
  }
}
