// Names in a layer tar, made safe and told apart: what an entry's path means from the root of the layer, and
// whether its last name is a mark (OCI image-spec, layer.md, "Whiteouts"; the aufs names come from Docker).

import { type ByteString, joinPath, toText } from '../../fs/index.js';
import { StoreError } from '../errors.js';

export const WHITEOUT_PREFIX = '.wh.';
const META_PREFIX = '.wh..wh.';
export const OPAQUE_NAME = '.wh..wh..opq';

/** PATH_MAX without its NUL: a tree that is deeper could be neither made nor read by a path. */
const PATH_LIMIT = 4095;

/**
 * A path of an archive without '.', empty names and inner '..'; '' is the root. A leading slash means the root
 * of the layer. Throws StoreError 'corrupt' for a path that leads out of it or is too long, which no honest archive
 * holds.
 */
export function cleanPath(path: ByteString): ByteString {
  if (path.length > PATH_LIMIT) {
    const why = `a path of ${path.length} bytes is too long`;
    throw new StoreError('corrupt', 'cannot unpack layer', why);
  }
  // Nearly every path is clean already, but for './' in front.
  const plain = path.startsWith('./') ? path.slice(2) : path;
  if (!/(?:^|\/)(?:\.{0,2})(?:\/|$)/.test(plain)) return plain;
  const names: ByteString[] = [];
  for (const name of plain.split('/')) {
    if (name === '' || name === '.') continue;
    if (name !== '..') names.push(name);
    else if (names.pop() === undefined) {
      throw new StoreError(
        'corrupt',
        'cannot unpack layer',
        `${JSON.stringify(toText(path))} leads out of it`,
      );
    }
  }
  return names.join('/');
}

/** What an entry of the archive is about. */
export type Meaning =
  | { readonly kind: 'object' }
  /** Lower layers' `hidden` in the same folder is gone. */
  | { readonly kind: 'whiteout'; readonly hidden: ByteString }
  /** Everything that lower layers have in the folder is gone. */
  | { readonly kind: 'opaque' }
  /** aufs' own files. */
  | { readonly kind: 'skip' };

const OBJECT: Meaning = { kind: 'object' };
const OPAQUE: Meaning = { kind: 'opaque' };
const SKIP: Meaning = { kind: 'skip' };

/** `dir` and `name` are of a clean path. Throws 'corrupt' for a whiteout of nothing. */
export function meaningOf(dir: ByteString, name: ByteString): Meaning {
  if (!name.startsWith(WHITEOUT_PREFIX)) {
    return dir.includes(META_PREFIX) && `/${dir}`.includes(`/${META_PREFIX}`) ? SKIP : OBJECT;
  }
  if (name === OPAQUE_NAME) return OPAQUE;
  if (name.startsWith(META_PREFIX)) return SKIP;
  const hidden = name.slice(WHITEOUT_PREFIX.length);
  if (hidden === '' || hidden === '.' || hidden === '..') {
    const path = JSON.stringify(toText(joinPath(dir, name)));
    throw new StoreError('corrupt', 'cannot unpack layer', `${path} is a whiteout of nothing`);
  }
  return { kind: 'whiteout', hidden };
}
