// Records of a PAX extended header ("<length> <key>=<value>\n", the length counting itself), to the byte:
// values may hold NUL, newlines and bytes that are not UTF-8 (xattrs, names), so nothing is decoded as text.

import { type ByteString, fromBytes, type Timestamp, toBytes } from '../../fs/index.js';

export interface PaxRecord {
  readonly key: ByteString;
  readonly value: Uint8Array;
}

/** The longest header that is read: as Go's archive/tar, far more than names and xattrs of one file can need. */
export const PAX_LIMIT = 1 << 20;

/** The records of a header in order; undefined if the bytes are not a sequence of records. */
export function parsePaxRecords(bytes: Uint8Array): PaxRecord[] | undefined {
  const records: PaxRecord[] = [];
  let at = 0;
  // Some writers fill the header up with NULs.
  while (at < bytes.length && bytes[at] !== 0) {
    let length = 0;
    let i = at;
    for (; i < bytes.length && bytes[i] !== 0x20; i++) {
      const digit = bytes[i]! - 0x30;
      if (digit < 0 || digit > 9 || length > PAX_LIMIT) return undefined;
      length = length * 10 + digit;
    }
    const end = at + length;
    const equals = bytes.indexOf(0x3d, i);
    if (end > bytes.length || equals <= i + 1 || equals >= end || bytes[end - 1] !== 0x0a) return undefined;
    records.push({ key: fromBytes(bytes, i + 1, equals), value: bytes.subarray(equals + 1, end - 1) });
    at = end;
  }
  return records;
}

/** One record as bytes. */
export function formatPaxRecord(key: ByteString, value: Uint8Array): Uint8Array {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  const record = new Uint8Array(length);
  record.set(toBytes(`${length} ${key}=`));
  record.set(value, length - value.length - 1);
  record[length - 1] = 0x0a;
  return record;
}

/** A whole number in decimal digits, with a sign; undefined if it is none or not exact as a double. */
export function parsePaxInteger(value: ByteString): number | undefined {
  if (!/^-?\d{1,20}$/.test(value)) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}

/** A time: seconds since the epoch as a decimal fraction; digits beyond nanoseconds are cut off, as GNU tar does. */
export function parsePaxTime(value: ByteString): Timestamp | undefined {
  const match = /^(-?)(\d{1,20})(?:\.(\d*))?$/.exec(value);
  if (match === null) return undefined;
  const seconds = Number(match[2]);
  const nsec = Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
  if (!Number.isSafeInteger(seconds)) return undefined;
  if (match[1] !== '-') return { sec: seconds, nsec };
  return nsec === 0 ? { sec: -seconds || 0, nsec } : { sec: -seconds - 1, nsec: 1e9 - nsec };
}

export function formatPaxTime({ sec, nsec }: Timestamp): ByteString {
  if (nsec === 0) return String(sec);
  const negative = sec < 0;
  const whole = negative ? -sec - 1 : sec;
  const fraction = String(negative ? 1e9 - nsec : nsec)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${negative ? '-' : ''}${whole}.${fraction}`;
}

const SCHILY = 'SCHILY.xattr.';
const LIBARCHIVE = 'LIBARCHIVE.xattr.';

/**
 * The key of an xattr. A '=' would end the key, so it is written %3D and an escape that is already there %253D,
 * as GNU tar does; all other names stand as they are, which is what Go's archive/tar expects.
 */
export function xattrKey(name: ByteString): ByteString {
  const escaped = /=|%25|%3D/.test(name) ? name.replaceAll('%', '%25').replaceAll('=', '%3D') : name;
  return SCHILY + escaped;
}

/** The extended attributes that a header sets. `SCHILY.xattr.` holds bytes, `LIBARCHIVE.xattr.` base64 under a URL-encoded name. */
export function xattrsOf(records: readonly PaxRecord[]): Map<ByteString, Uint8Array> {
  const found = new Map<ByteString, Uint8Array>();
  for (const { key, value } of records) {
    if (!key.startsWith(LIBARCHIVE)) continue;
    const name = key.slice(LIBARCHIVE.length).replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => {
      return String.fromCharCode(Number.parseInt(hex, 16));
    });
    found.set(name, new Uint8Array(Buffer.from(fromBytes(value), 'base64')));
  }
  for (const { key, value } of records) {
    if (!key.startsWith(SCHILY)) continue;
    const name = key.slice(SCHILY.length).replaceAll('%3D', '=').replaceAll('%25', '%');
    found.set(name, value);
  }
  return found;
}
