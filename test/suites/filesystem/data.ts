// Reading, writing, holes, sizes and copies of data.

import { fstatSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { EBADF, EEXIST, EINVAL, EISDIR, ENXIO, EOPNOTSUPP } from '../../../fs/errno.js';
import {
  FALLOC_COLLAPSE_RANGE,
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  FALLOC_ZERO_RANGE,
  O_APPEND,
  O_EXCL,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  ROOT_NODE,
  SEEK_DATA,
  SEEK_HOLE,
} from '../../../fs/filesystem.js';
import { bytes, errnoOf } from '../paths.js';
import { KEPT, type TestedFilesystem } from './tested.js';

export function data(at: TestedFilesystem): void {
  describe('data', () => {
    test('O_TRUNC empties a file and keeps what else it is', () => {
      at.fs.release(at.paths.open('file', O_WRONLY | O_TRUNC));
      expect(at.paths.stat('file')).toMatchObject({ ...KEPT, size: 0 });
      expect(at.paths.getxattr('file', 'user.note')).toBe('kept');
    });

    test('truncate cuts and extends with zeros', () => {
      expect(at.paths.setattr('file', { size: 3 }).size).toBe(3);
      expect(at.paths.read('file')).toBe('low');
      expect(at.paths.setattr('file', { size: 5 }).size).toBe(5);
      expect(at.paths.read('file')).toBe('low\0\0');
      expect(errnoOf(() => at.paths.setattr('folder', { size: 0 }))).toBe(EISDIR);
      expect(errnoOf(() => at.paths.setattr('fifo', { size: 0 }))).toBe(EINVAL);
    });

    test('the object of a file is told only where no copy-up takes its place', () => {
      /** Its size, or 0 where none is told. */
      const told = (path: string, atLeast = 0) =>
        at.paths.with(path, (node) => {
          const backing = at.fs.backing(node, atLeast);
          const size = backing === undefined ? 0 : fstatSync(backing.fd).size;
          backing?.close();
          return size;
        });
      expect([told('file'), told('folder'), told('symlink'), told('fifo')]).toEqual([0, 0, 0, 0]);
      at.paths.setattr('file', { mode: 0o600 });
      expect(told('file')).toBe(0);
      at.paths.write('file', 'written');
      at.paths.write('new', 'new');
      // A layer in memory has no descriptors.
      const onDisk = told('new') > 0;
      expect([told('file'), told('new')]).toEqual(onDisk ? [7, 3] : [0, 0]);
      expect([told('file', 7), told('file', 8)]).toEqual(onDisk ? [7, 0] : [0, 0]);
    });

    test('two handles with O_APPEND never overwrite each other', () => {
      const one = at.paths.open('file', O_WRONLY | O_APPEND);
      const other = at.paths.open('file', O_WRONLY | O_APPEND);
      at.fs.write(one, 0, bytes('1'), false);
      at.fs.write(other, 0, bytes('2'), false);
      at.fs.write(one, 0, bytes('3'), false);
      expect(at.paths.read('file')).toBe('lower123');
    });

    test('the size is seen through another name at once', () => {
      at.paths.writeAt('linked', 5, '!!');
      expect(at.paths.stat('other').size).toBe(7);
      expect(at.paths.read('other')).toBe('twice!!');
    });

    test('a handle for reading takes no write, and one for a folder no read', () => {
      const handle = at.paths.open('file');
      expect(errnoOf(() => at.fs.write(handle, 0, bytes('x'), false))).toBe(EBADF);
      expect(errnoOf(() => at.paths.open('folder'))).toBe(EISDIR);
      expect(errnoOf(() => at.fs.read(12_345, 0, new Uint8Array(1)))).toBe(EBADF);
    });

    test('a read beyond the end is empty', () => {
      expect(at.fs.read(at.paths.open('file'), 100, new Uint8Array(10))).toBe(0);
    });

    test('holes are found, and kept when the file is written', () => {
      const handle = at.paths.open('sparse', O_RDWR);
      const check = (): void => {
        expect(at.fs.lseek(handle, 0, SEEK_HOLE)).toBe(4096);
        expect(at.fs.lseek(handle, 4096, SEEK_DATA)).toBe(524_288);
        expect(at.fs.lseek(handle, 524_288, SEEK_HOLE)).toBe(528_384);
        expect(errnoOf(() => at.fs.lseek(handle, 528_384, SEEK_DATA))).toBe(ENXIO);
        expect(errnoOf(() => at.fs.lseek(handle, 1_048_576, SEEK_HOLE))).toBe(ENXIO);
        expect(errnoOf(() => at.fs.lseek(handle, 0, 0))).toBe(EINVAL);
      };
      check();
      at.fs.write(handle, 0, bytes('x'), false);
      check();
      expect(at.paths.stat('sparse').blocks).toBeLessThanOrEqual(32);
    });

    test('fallocate makes, keeps the size, punches and zeroes; other modes are refused', () => {
      const handle = at.paths.create('n');
      at.fs.write(handle, 0, new Uint8Array(12_288).fill(7), false);
      at.fs.fallocate(handle, 0, 0, 16_384);
      expect(at.paths.stat('n').size).toBe(16_384);
      at.fs.fallocate(handle, FALLOC_KEEP_SIZE, 16_384, 4096);
      expect(at.paths.stat('n').size).toBe(16_384);
      at.fs.fallocate(handle, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, 4096, 4096);
      const into = new Uint8Array(12_288);
      at.fs.read(handle, 0, into);
      expect([into[4095], into[4096], into[8191], into[8192]]).toEqual([7, 0, 0, 7]);
      at.fs.fallocate(handle, FALLOC_ZERO_RANGE, 8192, 4096);
      at.fs.read(handle, 0, into);
      expect(into[8192]).toBe(0);
      expect(errnoOf(() => at.fs.fallocate(handle, FALLOC_COLLAPSE_RANGE, 0, 4096))).toBe(EOPNOTSUPP);
      expect(errnoOf(() => at.fs.fallocate(handle, 0, 0, 0))).toBe(EINVAL);
    });

    test('copyFileRange copies between files and refuses overlapping ranges of one', () => {
      const from = at.paths.open('file', O_RDWR);
      const to = at.paths.create('n');
      expect(at.fs.copyFileRange(from, 1, to, 2, 100)).toBe(4);
      expect(at.paths.read('n')).toBe('\0\0ower');
      expect(errnoOf(() => at.fs.copyFileRange(from, 0, from, 2, 4))).toBe(EINVAL);
      expect(at.fs.copyFileRange(from, 0, from, 5, 5)).toBe(5);
      expect(at.paths.read('file')).toBe('lowerlower');
    });

    test('fsync and flush succeed on handles of every kind', () => {
      const reader = at.paths.open('file');
      at.fs.fsync(reader, false);
      const writer = at.paths.open('file', O_RDWR);
      at.fs.write(writer, 0, bytes('x'), false);
      at.fs.flush(writer);
      at.fs.fsync(writer, true);
      at.fs.fsync(reader, false);
      const folder = at.fs.opendir(ROOT_NODE);
      at.fs.fsyncdir(folder, false);
      at.fs.sync();
      expect(at.paths.read('file')).toBe('xower');
    });

    test('create with O_EXCL has one winner, without it opens what is there', () => {
      expect(errnoOf(() => at.paths.create('file', 0o600, O_RDWR | O_EXCL))).toBe(EEXIST);
      const handle = at.paths.create('file', 0o600, O_RDWR);
      expect(at.paths.readHandle(handle)).toBe('lower');
      expect(at.paths.stat('file')).toMatchObject(KEPT);
    });
  });
}
