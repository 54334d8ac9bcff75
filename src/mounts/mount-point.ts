// Whether a folder may become the mount point of a stack: it is there, it is a folder, no mount of ours lies on
// it, and it neither holds a layer nor lies in one, since a server that walks into its own mount waits for ever.

import { realpathSync, statSync } from 'node:fs';
import { resolve, sep } from 'node:path';
import type { StackDescription } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { isMountedHere, type MountTable } from './table.js';

/** The mount point without symlinks. not-found, invalid-argument, failed-precondition (a mount of ours is there). */
export function checkMountPoint(target: string, stack: StackDescription, table: MountTable): string {
  const what = `cannot mount at ${target}`;
  const place = realFolder(target, what);
  const taken = table.at(place);
  if (taken !== undefined && isMountedHere(taken)) {
    const shows = taken.snapshot === undefined ? '' : ` of ${taken.snapshot.key}`;
    const why = `there is ${taken.state === 'dead' ? 'a dead mount' : 'a mount'}${shows} already`;
    throw new StoreError('failed-precondition', what, why, { hint: `mica umount ${place}` });
  }
  const { upper, lowers, data = [] } = stack;
  const folders = [
    ...[...lowers, ...data].map((layer) => layer.path),
    ...(upper ? [upper.path, upper.work] : []),
  ];
  for (const folder of folders) {
    if (isWithin(place, folder) || isWithin(folder, place)) {
      throw new StoreError('invalid-argument', what, `it overlaps the layer ${folder}`, {
        hint: 'choose a folder outside the layers',
      });
    }
  }
  return place;
}

function realFolder(target: string, what: string): string {
  let place: string;
  try {
    place = realpathSync(resolve(target));
    if (statSync(place).isDirectory()) return place;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      throw new StoreError('not-found', what, 'there is no such folder', {
        cause: error,
        hint: `mkdir ${target}`,
      });
    }
    if (code === 'ENOTCONN') {
      throw new StoreError('failed-precondition', what, 'a mount whose server died is there', {
        cause: error,
        hint: `mica umount ${target}`,
      });
    }
    if (code === 'ENOTDIR')
      throw new StoreError('invalid-argument', what, 'it is not a folder', { cause: error });
    throw new StoreError('failed', what, (error as Error).message, { cause: error });
  }
  throw new StoreError('invalid-argument', what, 'it is not a folder', { hint: 'name an empty folder' });
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
