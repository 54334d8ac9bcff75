// What a word on the command line means: an active key, a committed name or an image, in that order, unless it
// says which (`key:`, `snapshot:`, `image:`). With `:PATH` after it, a place in the tree that it shows.

import type { ByteString } from '../../fs/index.js';
import { fromText } from '../../fs/index.js';
import { isKind, StoreError } from '../errors.js';
import { findImage } from '../images/names.js';
import type { ImageRow } from '../metadata/rows.js';
import type { StoredSnapshot } from '../snapshots/snapshot.js';
import type { Store } from '../store.js';

/** A snapshot that a word means: `key` for one that is not committed. */
export interface Meant {
  readonly kind: 'key' | 'snapshot' | 'image';
  readonly snapshot: StoredSnapshot;
  /** Set where the word named an image. */
  readonly image?: ImageRow;
}

type Kind = Meant['kind'];
const KINDS: readonly Kind[] = ['key', 'snapshot', 'image'];

/** What `word` means. not-found if nothing; `what` begins the error. An image that is not unpacked yet is unpacked. */
export async function meaningOf(store: Store, word: string, what: string): Promise<Meant> {
  const meant = await lookUp(store, word, what);
  if (meant !== undefined) return meant;
  const { kinds, name } = spelled(word);
  const sought = kinds.length === 1 ? (kinds[0] ?? '') : 'key, snapshot or image';
  throw new StoreError('not-found', what, `no ${sought} ${name}`, {
    hint: kinds.includes('image') ? 'mica images, mica snapshot ls' : 'mica snapshot ls',
  });
}

export interface MeantPlace extends Meant {
  /** From the root of the tree, without slashes at either end; '' for the root. */
  readonly path: ByteString;
}

/**
 * What `WORD` or `WORD:PATH` means; undefined if no part of it before a colon is a word of this store. Names of
 * images hold colons themselves, so the longest word wins, but for a colon before a slash, where a path begins.
 */
export async function placeMeant(store: Store, text: string, what: string): Promise<MeantPlace | undefined> {
  const rooted = text.indexOf(':/');
  const ends = rooted >= 0 ? [rooted] : [text.length, ...colonsFromTheEnd(text)];
  for (const end of [...ends, ...(rooted >= 0 ? [text.length] : [])]) {
    const meant = await lookUp(store, text.slice(0, end), what);
    if (meant !== undefined) return { ...meant, path: normalPath(text.slice(end + 1)) };
  }
  return undefined;
}

/** As placeMeant, but not-found if it means nothing. */
export async function requirePlace(store: Store, text: string, what: string): Promise<MeantPlace> {
  const place = await placeMeant(store, text, what);
  if (place !== undefined) return place;
  throw new StoreError('not-found', what, `no key, snapshot or image ${text.replace(/:\/.*$/s, '')}`, {
    hint: 'mica images, mica snapshot ls',
  });
}

/** A path as typed, without empty and `.` parts. `..` is refused: the tree is not this machine's. */
export function normalPath(text: string): ByteString {
  const parts = text.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) {
    throw new StoreError('invalid-argument', `cannot use the path ${text}`, 'it has .. in it');
  }
  return fromText(parts.join('/'));
}

function colonsFromTheEnd(text: string): number[] {
  const colons: number[] = [];
  for (let at = text.lastIndexOf(':'); at > 0; at = text.lastIndexOf(':', at - 1)) colons.push(at);
  return colons;
}

function spelled(word: string): { readonly kinds: readonly Kind[]; readonly name: string } {
  const kind = KINDS.find((one) => word.startsWith(`${one}:`));
  return kind === undefined
    ? { kinds: KINDS, name: word }
    : { kinds: [kind], name: word.slice(kind.length + 1) };
}

async function lookUp(store: Store, word: string, what: string): Promise<Meant | undefined> {
  const { kinds, name } = spelled(word);
  if (name === '') return undefined;
  if (kinds.includes('key') || kinds.includes('snapshot')) {
    const snapshot = await statIfAny(store, name);
    const kind = snapshot?.kind === 'committed' ? 'snapshot' : 'key';
    if (snapshot !== undefined && kinds.includes(kind)) return { kind, snapshot };
  }
  const image = kinds.includes('image') ? findImage(store, name) : undefined;
  if (image === undefined) return undefined;
  return { kind: 'image', image, snapshot: await store.snapshots.stat(await unpacked(store, image, what)) };
}

async function statIfAny(store: Store, name: string): Promise<StoredSnapshot | undefined> {
  try {
    return await store.snapshots.stat(name);
  } catch (error) {
    // A word that no snapshot could have as its name may still be an image's.
    if (isKind(error, 'not-found') || isKind(error, 'invalid-argument')) return undefined;
    throw error;
  }
}

/** The snapshot that shows an image; its layers are unpacked if they are not. */
async function unpacked(store: Store, row: ImageRow, what: string): Promise<string> {
  const { openImage, topSnapshot } = await import('../images/stored.js');
  const image = await openImage(store, row, what);
  const top = topSnapshot(image);
  if (top === undefined) {
    throw new StoreError('failed-precondition', what, `image ${row.name} has no layers`);
  }
  if ((await statIfAny(store, top)) === undefined) {
    const { unpackImage } = await import('../images/unpack.js');
    await unpackImage(store, image, what);
  }
  return top;
}
