// Features of the FUSE protocol that kernels as old as this program stands for may lack: one line each. What the
// kernel offers is known when a mount begins (INIT); any of them can be switched off by name, which is how the
// ways of older kernels are tested.

import {
  FUSE_HANDLE_KILLPRIV_V2,
  FUSE_NO_OPEN_SUPPORT,
  FUSE_NO_OPENDIR_SUPPORT,
  FUSE_SETXATTR_EXT,
} from './abi.js';

export interface FuseFeature {
  readonly name: string;
  /** The oldest Linux that offers it. */
  readonly since: string;
  readonly gives: string;
  /** Its bits among INIT's flags. */
  readonly flags: number;
}

export const FUSE_FEATURES: readonly FuseFeature[] = [
  {
    name: 'fuse-no-open',
    since: '5.1',
    gives: 'files and folders of read-only mounts opened without a request',
    flags: FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT,
  },
  {
    name: 'fuse-killpriv-v2',
    since: '5.11',
    gives: 'set-id bits cleared with the write itself, not by a request before it',
    flags: FUSE_HANDLE_KILLPRIV_V2,
  },
  {
    name: 'fuse-setxattr-ext',
    since: '5.14',
    gives: 'set-group-id cleared with the change of an ACL',
    flags: FUSE_SETXATTR_EXT,
  },
];

/** The flags of the features that a list like MICA_WITHOUT's (`a,b`) names; other names are other tables' affair. */
export function flagsWithout(list: string | undefined = process.env['MICA_WITHOUT']): number {
  const names = new Set((list ?? '').split(',').map((name) => name.trim()));
  return FUSE_FEATURES.reduce(
    (flags, feature) => (names.has(feature.name) ? flags | feature.flags : flags),
    0,
  );
}
