// What a program sees of a file, told so that two filesystems can be compared: without numbers of files, devices
// and clocks.

import fs from 'node:fs';
import { sys } from '../../dist/fs/index.js';
import { fileNumber } from '../../dist/fs/sys/file-number.js';

/** What fstat says, without what differs between two filesystems anyway. */
export function shown(stat) {
  const folder = stat.isDirectory();
  return [stat.mode.toString(8), stat.uid, stat.gid, ...(folder ? [] : [stat.nlink, stat.size])];
}

/** The first 64 KiB. */
export function content(fd) {
  const into = Buffer.alloc(1 << 16);
  const length = fs.readSync(fd, into, 0, into.length, 0);
  // Runs of one byte are told as the byte and the length, so that reports stay short.
  return into
    .toString('latin1', 0, length)
    .replace(/(.)\1{3,}/gs, (run, byte) => `<${byte === '\0' ? '0' : byte}*${run.length}>`);
}

/** A file number as listings here tell it. */
const shortened = (ino) => fileNumber(Number(ino & 0xffff_ffffn), Number((ino >> 32n) & 0xffff_ffffn));

/** Names and types, in no order, and whether each d_ino is the st_ino. */
export function listing(fd, path) {
  const lines = [];
  sys.listFolder(fd, (name, type, ino) => {
    const stat = fs.lstatSync(`${path}/${name}`, { bigint: true, throwIfNoEntry: false });
    lines.push(
      `${name} ${type} ${stat === undefined ? 'gone' : shortened(stat.ino) === ino ? 'same' : 'other'}`,
    );
  });
  return lines.sort();
}

export function xattrs(fd) {
  return [...sys.listXattrs(fd)]
    .sort()
    .map((name) => `${name}=${Buffer.from(sys.getXattr(fd, name) ?? []).toString('hex')}`);
}
