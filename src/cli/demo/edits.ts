// The changes that the demo makes, by ordinary file calls, to a tree at some root: once to the mount and once to
// the plain copy. Times are set by hand afterwards, because two clocks would differ, and on the folders too.

import {
  appendFile,
  chmod,
  link,
  lstat,
  mkdir,
  rename,
  rm,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { type ByteString, dirname, joinPath, toBytes } from '../../../fs/index.js';

/** Seconds; the fraction is one that a double, a timespec and a PAX record all say exactly. */
const TIME = 1_700_000_000.125;

/** The path of an entry of the tree at `root`, as bytes. */
export function placeOf(root: string, path: ByteString): Buffer {
  return path === '' ? Buffer.from(root) : Buffer.concat([Buffer.from(`${root}/`), toBytes(path)]);
}

async function setTimes(root: string, paths: readonly ByteString[]): Promise<void> {
  for (const path of paths) await utimes(placeOf(root, path), TIME, TIME);
}

export async function append(root: string, path: ByteString, text: string): Promise<void> {
  await appendFile(placeOf(root, path), text);
  await setTimes(root, [path]);
}

export async function remove(root: string, path: ByteString): Promise<void> {
  await unlink(placeOf(root, path));
  await setTimes(root, [dirname(path)]);
}

export async function removeFolder(root: string, path: ByteString): Promise<void> {
  await rm(placeOf(root, path), { recursive: true });
  await setTimes(root, [dirname(path)]);
}

/** Removes a folder with all in it and makes a new one of the same name, with two files of its own. */
export async function replaceFolder(root: string, path: ByteString): Promise<void> {
  const { mode } = await lstat(placeOf(root, path));
  await removeFolder(root, path);
  await mkdir(placeOf(root, path));
  await chmod(placeOf(root, path), mode & 0o7777);
  const names = ['new-one', 'new-two'].map((name) => joinPath(path, name));
  for (const name of names) {
    await writeFile(placeOf(root, name), 'a file of the folder that came in its place\n');
    await chmod(placeOf(root, name), 0o644);
  }
  await setTimes(root, [...names, path, dirname(path)]);
}

/** A further name for a file, in the folder of the first. */
export async function addLink(root: string, path: ByteString, name: ByteString): Promise<void> {
  await link(placeOf(root, path), placeOf(root, name));
  await setTimes(root, [dirname(name)]);
}

export async function renameFolder(root: string, path: ByteString, to: ByteString): Promise<void> {
  await rename(placeOf(root, path), placeOf(root, to));
  await setTimes(root, [dirname(path), dirname(to)]);
}
