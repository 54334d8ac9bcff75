// Names and paths are bytes: not every file name is UTF-8. Inside this program such bytes are carried in a
// ByteString, a JavaScript string with one character (0-255) a byte, because a string is what a Map key, a
// comparison and a concatenation want. Text from a person or a JSON file becomes one through `fromText`, and
// only through it; comparing two ByteStrings with `<` orders them by their bytes, as tar and EROFS do.

import { EINVAL, ENAMETOOLONG, FsError } from './errno.js';

/** A string in which each character stands for one byte. */
export type ByteString = string;

/** The longest name that Linux takes, in bytes (NAME_MAX). */
export const NAME_MAX = 255;

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder('utf-8', { fatal: true });
const lossyDecoder = new TextDecoder('utf-8');

/** Shorter ones, as most names are, are made of codes that stand in the call; for longer ones an array of them is quicker. */
const SHORT = 32;

/** The bytes from `start` up to `end`, as far as there are any, as a ByteString. */
export function fromBytes(bytes: Uint8Array, start = 0, end = bytes.length): ByteString {
  const last = Math.min(end, bytes.length);
  if (last - start <= SHORT) return fromFew(bytes, start, last);
  let text = '';
  for (let at = start; at < last; at += 8192) {
    text += String.fromCharCode.apply(
      null,
      bytes.subarray(at, Math.min(last, at + 8192)) as unknown as number[],
    );
  }
  return text;
}

function fromFew(of: Uint8Array, start: number, end: number): ByteString {
  const { fromCharCode } = String;
  let text = '';
  let i = start;
  for (; i + 8 <= end; i += 8) {
    text += fromCharCode(
      of[i]!,
      of[i + 1]!,
      of[i + 2]!,
      of[i + 3]!,
      of[i + 4]!,
      of[i + 5]!,
      of[i + 6]!,
      of[i + 7]!,
    );
  }
  if (i + 4 <= end) {
    text += fromCharCode(of[i]!, of[i + 1]!, of[i + 2]!, of[i + 3]!);
    i += 4;
  }
  for (; i < end; i++) text += fromCharCode(of[i]!);
  return text;
}

/** The bytes that a ByteString stands for. */
export function toBytes(name: ByteString): Uint8Array {
  const bytes = new Uint8Array(name.length);
  for (let i = 0; i < name.length; i++) bytes[i] = name.charCodeAt(i);
  return bytes;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** Text (from a command line, a JSON file) as the ByteString of its UTF-8 bytes. */
export function fromText(text: string): ByteString {
  return isAscii(text) ? text : fromBytes(encoder.encode(text));
}

/** A ByteString as text; bytes that are not UTF-8 become U+FFFD. */
export function toText(name: ByteString): string {
  return isAscii(name) ? name : lossyDecoder.decode(toBytes(name));
}

/** True if the bytes of `name` are valid UTF-8, so that `fromText(toText(name)) === name`. */
export function isUtf8(name: ByteString): boolean {
  if (isAscii(name)) return true;
  try {
    strictDecoder.decode(toBytes(name));
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

/** `dir/name`; the root of a tree is the empty path. */
export function joinPath(dir: ByteString, name: ByteString): ByteString {
  return dir === '' ? name : `${dir}/${name}`;
}

/** The folder part of a path without leading or trailing slash; '' for a name in the root. */
export function dirname(path: ByteString): ByteString {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

/** The last component of a path. */
export function basename(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf('/') + 1);
}

/**
 * Refuses what is not one component of a path: EINVAL for '', '.', '..', a slash or a NUL, ENAMETOOLONG
 * for more than 255 bytes (path_resolution(7)).
 */
export function assertName(name: ByteString): void {
  if (name.length > NAME_MAX) throw new FsError(ENAMETOOLONG, 'name');
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
    throw new FsError(EINVAL, 'name');
  }
}
