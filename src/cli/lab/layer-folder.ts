// Layers of the lab as real folders: made from what a lesson says, and read with their marks and extended attributes.

import { closeSync, linkSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type ByteString,
  type Dialect,
  fromText,
  ifAllowed,
  type LowerDescription,
  openLowerDir,
  sys,
  toText,
} from '../../../fs/index.js';
import { type Contents, contentsOf } from '../../web/contents.js';
import { filler } from '../../web/filler.js';
import type { FileSetup } from '../../web/model.js';

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

/** What lies in the folder of a layer, below `focus`, `depth` folders deep. */
export function readFolder(
  {
    path,
    id,
    dialect,
    marks,
  }: Pick<LowerDescription, 'path' | 'id' | 'marks'> & { readonly dialect: Dialect },
  focus = '',
  depth = Number.POSITIVE_INFINITY,
): Contents {
  const layer = openLowerDir(fromText(path), {
    id,
    dialect,
    anyMayLackData: true,
    ...(marks && { marks: [marks] }),
  });
  try {
    return contentsOf(layer, (dir, name) => xattrsOf(path, dir, name), fromText(focus), depth);
  } finally {
    layer.close();
  }
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
