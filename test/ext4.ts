// A folder on a real ext4, the reference for what POSIX is here: wherever the temp dir lies, and needing root where
// it does not lie on one.

import { spawnSync } from 'node:child_process';
import { rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';

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
  writeFileSync(image, '');
  try {
    truncateSync(image, bytes);
    must('mkfs.ext4', '-q', image);
    must('mount', '-o', 'loop', image, folder);
  } finally {
    // The loop device keeps it.
    rmSync(image);
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
