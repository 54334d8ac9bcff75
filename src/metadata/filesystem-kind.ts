// LMDB shares a memory map and a lock table between processes; over a network filesystem neither is shared, and two
// machines would destroy the file (lmdb.h, "Caveats"). So the metadata refuses to live there.

import { statfsSync } from 'node:fs';
import { StoreError } from '../errors.js';

/** statfs(2) f_type of filesystems whose bytes lie on another machine (linux/magic.h and the filesystems). */
const NETWORK: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x01021997, '9P'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0x73757245, 'Coda'],
  [0x00c36400, 'Ceph'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x01161970, 'GFS2'],
  [0x7461636f, 'OCFS2'],
]);

/** The name of the network filesystem with this f_type; undefined for any other. */
export function networkFilesystem(type: number): string | undefined {
  return NETWORK.get(type >>> 0);
}

/** unsupported if `folder` lies on a network filesystem. Other systems number theirs differently: not checked. */
export function assertLocal(folder: string): void {
  if (process.platform !== 'linux') return;
  const kind = networkFilesystem(statfsSync(folder).type);
  if (kind === undefined) return;
  throw new StoreError(
    'unsupported',
    `cannot keep metadata in ${folder}`,
    `it is on a network filesystem (${kind})`,
    {
      hint: 'choose a folder on a local disk with --root',
    },
  );
}
