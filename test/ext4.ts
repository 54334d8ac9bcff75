// A folder on a real ext4, the reference for what POSIX is here: wherever the temp dir lies, and needing root where
// it does not lie on one.

import { spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** EXT4_SUPER_MAGIC of linux/magic.h. */
const EXT4 = 0xef53;
/** Sparse, so that only what is written takes space. */
const IMAGE_BYTES = 4 * 1024 ** 3;

export function isOnExt4(path: string): boolean {
  return statfsSync(path).type === EXT4;
}

/** Afterwards the folder, which must be empty, lies on an ext4: an image is mounted on it where need be. */
export function ensureExt4(folder: string): void {
  if (!isOnExt4(folder)) mountExt4(folder, IMAGE_BYTES);
}

/** Mounts a new ext4 of so many bytes on a folder. */
export function mountExt4(folder: string, bytes: number): void {
  const image = `${folder}.ext4`;
  try {
    makeExt4(image, bytes);
    mountImage(image, folder);
  } finally {
    // The loop device keeps it.
    rmSync(image);
  }
}

/** Makes an image of an ext4, for `mountImage`. */
export function makeExt4(image: string, bytes: number): void {
  writeFileSync(image, '');
  truncateSync(image, bytes);
  must('mkfs.ext4', '-q', image);
}

export function mountImage(image: string, folder: string): void {
  must('mount', '-o', 'loop', image, folder);
}

/** EXT4_IOC_SHUTDOWN, which is XFS_IOC_GOINGDOWN, and its flag that writes the journal first and no data. */
const SHUTDOWN = 0x8004587d;
const LOGFLUSH = 1;

/**
 * Cuts the power of an ext4, just after it made all its metadata durable: what was written and not synced is lost.
 * Nothing of it can be used until it is mounted anew.
 */
export function cutPower(folder: string): void {
  const { load } = createRequire(import.meta.url)('koffi') as {
    load(name: string): { func(declaration: string): (...args: unknown[]) => number };
  };
  const ioctl = load('libc.so.6').func('int ioctl(int fd, unsigned long request, const void *argument)');
  const fd = openSync(folder, 'r');
  try {
    if (ioctl(fd, SHUTDOWN, Uint32Array.of(LOGFLUSH)) !== 0) throw new Error('cannot shut down the ext4');
  } finally {
    closeSync(fd);
  }
}

/** Gives the folder back as it was. */
export function leaveExt4(folder: string): void {
  if (spawnSync('mountpoint', ['-q', folder]).status === 0) must('umount', '-l', folder);
}

function must(command: string, ...words: string[]): void {
  const done = spawnSync(command, words, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`${command} ${words.join(' ')}: ${done.error ?? done.stderr}`);
}
