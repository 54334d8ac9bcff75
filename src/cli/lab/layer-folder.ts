// Layers of the lab as real folders: made from what a lesson says, and read with their marks and extended attributes.

import { closeSync, existsSync, linkSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type ByteString,
  type Dialect,
  fromText,
  ifAllowed,
  type LayerNode,
  type LowerDescription,
  openLowerDir,
  sys,
  toText,
} from '../../../fs/index.js';
import { type Contents, contentsOf, type Reads } from '../../web/contents.js';
import { filler } from '../../web/filler.js';
import type { FileSetup, LinkIndex } from '../../web/model.js';

/** How many characters of an attribute are shown. */
const SHOWN = 40;
const WHITEOUT_MODE = 0o020000;

/** `trusted` for root, `user` for everybody else. */
export function marksHere(): 'trusted' | 'user' {
  return sys.mayUseTrustedXattrs() ? 'trusted' : 'user';
}

/** Makes files in a folder that is there. */
export function fillFolder(top: string, files: Readonly<Record<string, FileSetup>>): void {
  for (const [path, what] of Object.entries(files)) {
    const real = join(top, path);
    mkdirSync(dirname(real), { recursive: true });
    fill(top, real, what);
  }
}

function fill(top: string, real: string, what: FileSetup): void {
  if (what === null) makeWhiteout(real);
  else if (typeof what === 'string') writeFileSync(real, what);
  else if ('size' in what) writeFileSync(real, filler(what.size));
  else if ('symlink' in what) symlinkSync(what.symlink, real);
  else if ('link' in what) linkSync(join(top, what.link), real);
  else makeFolder(real, what.opaque === true);
}

function makeFolder(real: string, opaque: boolean): void {
  mkdirSync(real, { recursive: true });
  if (!opaque) return;
  const fd = openSync(real, 'r');
  try {
    sys.setXattr(fd, `${marksHere()}.overlay.opaque`, Buffer.from('y'), 0);
  } finally {
    closeSync(fd);
  }
}

function makeWhiteout(real: string): void {
  const folder = openSync(dirname(real), 'r');
  try {
    sys.makeNodeAt(folder, fromText(real.slice(real.lastIndexOf('/') + 1)), WHITEOUT_MODE, 0);
  } finally {
    closeSync(folder);
  }
}

type Described = Pick<LowerDescription, 'path' | 'id' | 'marks'> & {
  readonly dialect: Dialect;
  readonly work?: string;
};

/** What lies in the folder of a layer, below `focus`, `depth` folders deep, and in the index of its work folder. */
export function readFolder(
  described: Described,
  focus = '',
  depth = Number.POSITIVE_INFINITY,
): Contents & { readonly folder: string } {
  const { path: folder, work } = described;
  const contents = contentsAt(described, focus, depth);
  if (work === undefined) return { ...contents, folder };
  const index = ifAllowed(() => indexIn(described, join(work, 'index')), undefined);
  return { ...contents, folder, ...(index && { index }) };
}

/** undefined while nothing is in it. */
function indexIn(described: Described, path: string): LinkIndex | undefined {
  if (!existsSync(path)) return undefined;
  const { entries } = contentsAt({ ...described, path }, '', 1);
  return entries.length === 0 ? undefined : { path, entries };
}

function contentsAt({ path, id, dialect, marks }: Described, focus: string, depth: number): Contents {
  const layer = openLowerDir(fromText(path), {
    id,
    dialect,
    anyMayLackData: true,
    ...(marks && { marks: [marks] }),
  });
  try {
    const reads: Reads = {
      xattrs: (dir, name) => xattrsOf(path, dir, name),
      linkKey: keyOf,
    };
    return contentsOf(layer, reads, fromText(focus), depth);
  } finally {
    layer.close();
  }
}

/** The kernel's name of its file handle (ovl_get_index_name); what has none is found by this program in another way. */
function keyOf(node: LayerNode): string | undefined {
  const origin = node.origin?.();
  return origin && Buffer.from(origin).toString('hex');
}

function xattrsOf(top: string, dir: ByteString, name: ByteString): Record<string, string> {
  const folder = openSync(join(top, toText(dir)), 'r');
  try {
    const names = sys.listXattrsAt(folder, name);
    return Object.fromEntries(names.map((xattr) => [toText(xattr), shownValue(folder, name, xattr)]));
  } finally {
    closeSync(folder);
  }
}

/** '' where this process may not read it: those of `user` are as closed as the file. */
function shownValue(folder: number, name: ByteString, xattr: ByteString): string {
  return valueText(ifAllowed(() => sys.getXattrAt(folder, name, xattr), undefined));
}

function valueText(value: Uint8Array | undefined): string {
  if (value === undefined) return '';
  const isText = value.every((byte) => byte >= 0x20 && byte < 0x7f);
  const text = isText ? Buffer.from(value).toString('latin1') : `0x${Buffer.from(value).toString('hex')}`;
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}
