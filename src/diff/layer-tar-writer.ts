// Writes entries of a layer tar, the same bytes for the same entries on every machine. A USTAR header where it
// can say all; what it cannot say (long names, big ids and sizes, nanoseconds, times before 1970, xattrs)
// stands in a PAX header before it, its records ordered by key, as Go's archive/tar writes them.
//
// Names go out as the bytes they are, also in PAX records and also if they are not UTF-8. POSIX would have
// `hdrcharset=BINARY` before those; GNU tar warns of that keyword and Go ignores it, and both, and all that is
// built on them, read the bare bytes. User and group names, access and change times are never written.

import { type ByteString, basename, dirname, toBytes } from '../../fs/index.js';
import type { TarEntry, TarType } from './tar-entry.js';
import { BLOCK, FIELD, type Field, paddingOf, TYPE, writeChecksum, writeOctal } from './tar-format.js';
import { formatPaxRecord, formatPaxTime, type PaxRecord, xattrKey } from './tar-pax.js';

const FLAGS: Readonly<Record<TarType, string>> = {
  file: TYPE.file,
  link: TYPE.link,
  symlink: TYPE.symlink,
  char: TYPE.char,
  block: TYPE.block,
  folder: TYPE.folder,
  fifo: TYPE.fifo,
};

/** The end mark: two blocks of zeros. */
export const TAR_END: Uint8Array = new Uint8Array(2 * BLOCK);

const ZEROS = new Uint8Array(BLOCK);

/** What must follow `size` bytes of data. */
export function tarPadding(size: number): Uint8Array {
  return ZEROS.subarray(0, paddingOf(size));
}

/**
 * The headers of an entry, whole blocks. For a file `size` bytes of data and their padding come next; holes are
 * written as zeros, because a layer should not have sparse entries (OCI image-spec, layer.md), so
 * `entry.sparse` is not looked at.
 */
export function tarHeader(entry: TarEntry): Uint8Array {
  const header = new Uint8Array(BLOCK);
  const records: PaxRecord[] = [];
  const record = (key: ByteString, value: ByteString) => records.push({ key, value: toBytes(value) });
  const number = (field: Field, value: number, key: string) => {
    if (writeOctal(header, field, value)) return;
    record(key, String(value));
    writeOctal(header, field, 0);
  };

  const path = entry.type === 'folder' ? `${entry.path}/` : entry.path;
  if (!writeName(header, path)) {
    record('path', path);
    writeText(header, FIELD.name, path.slice(0, FIELD.name[1]));
  }
  if (entry.linkname.length > FIELD.linkname[1]) record('linkpath', entry.linkname);
  writeText(header, FIELD.linkname, entry.linkname.slice(0, FIELD.linkname[1]));
  writeOctal(header, FIELD.mode, entry.mode);
  number(FIELD.uid, entry.uid, 'uid');
  number(FIELD.gid, entry.gid, 'gid');
  number(FIELD.size, entry.type === 'file' ? entry.size : 0, 'size');
  const { sec, nsec } = entry.mtime;
  if (!writeOctal(header, FIELD.mtime, sec) || nsec !== 0) record('mtime', formatPaxTime(entry.mtime));
  if (sec < 0 || sec >= 8 ** 11) writeOctal(header, FIELD.mtime, 0);
  header[FIELD.type[0]] = FLAGS[entry.type].charCodeAt(0);
  writeText(header, FIELD.magic, 'ustar\x0000');
  number(FIELD.devmajor, entry.devmajor, 'SCHILY.devmajor');
  number(FIELD.devminor, entry.devminor, 'SCHILY.devminor');
  for (const [name, value] of entry.xattrs) records.push({ key: xattrKey(name), value });
  writeChecksum(header);
  if (records.length === 0) return header;

  records.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const body = Buffer.concat(records.map(({ key, value }) => formatPaxRecord(key, value)));
  return Buffer.concat([paxHeader(entry.path, body.length), body, tarPadding(body.length), header]);
}

/** The header in front of PAX records; its name is what a program that does not know them would extract. */
function paxHeader(path: ByteString, size: number): Uint8Array {
  const header = new Uint8Array(BLOCK);
  const dir = dirname(path);
  const name = `${dir === '' ? '' : `${dir}/`}PaxHeaders.0/${basename(path)}`;
  const ascii = name.replaceAll(/[^\x20-\x7e]/g, '').slice(0, FIELD.name[1]);
  writeText(header, FIELD.name, ascii.replace(/\/+$/, ''));
  for (const field of [FIELD.mode, FIELD.uid, FIELD.gid, FIELD.mtime]) writeOctal(header, field, 0);
  writeOctal(header, FIELD.size, size);
  header[FIELD.type[0]] = TYPE.paxHeader.charCodeAt(0);
  writeText(header, FIELD.magic, 'ustar\x0000');
  writeOctal(header, FIELD.devmajor, 0);
  writeOctal(header, FIELD.devminor, 0);
  writeChecksum(header);
  return header;
}

/** Writes a path into name and prefix, which is cut at a slash; false if it fits neither. */
function writeName(header: Uint8Array, path: ByteString): boolean {
  const [, nameLength] = FIELD.name;
  const [, prefixLength] = FIELD.prefix;
  if (path.length <= nameLength) {
    writeText(header, FIELD.name, path);
    return true;
  }
  // The last slash that leaves a prefix short enough; one at the very end would leave no name.
  const slash = path.slice(0, -1).lastIndexOf('/', prefixLength);
  if (slash <= 0 || path.length - slash - 1 > nameLength) return false;
  writeText(header, FIELD.name, path.slice(slash + 1));
  writeText(header, FIELD.prefix, path.slice(0, slash));
  return true;
}

function writeText(header: Uint8Array, [at]: Field, text: ByteString): void {
  for (let i = 0; i < text.length; i++) header[at + i] = text.charCodeAt(i);
}
