// What a mount host is told: everything it serves and notes down, as data that crosses a process boundary.

import type { OwnerRules, StackDescription } from '../../fs/index.js';
import type { MountedSnapshot, MountRow } from './table.js';

export interface HostSpec {
  /** The state folder. */
  readonly state: string;
  /** An existing folder, absolute, without symlinks. */
  readonly target: string;
  readonly stack: StackDescription;
  readonly transport: string;
  readonly readOnly: boolean;
  readonly snapshot?: MountedSnapshot;
  /** Make the upper plain when the mount has ended. */
  readonly settle?: boolean;
  /** Where the host's standard error goes; in a shared host what there is to say about this mount. */
  readonly log?: string;
  /** The host has other mounts, too: the end of this one is not that of the process. */
  readonly shared?: boolean;
  /** It ends with who started it, however that ends. */
  readonly tied?: boolean;
  /** As for `MountRequest` of fs/transport. */
  readonly options?: FuseOptions;
}

export interface FuseOptions {
  readonly owners?: OwnerRules;
  readonly allowOther?: boolean;
  readonly dev?: boolean;
  readonly suid?: boolean;
  readonly exec?: boolean;
  readonly acls?: boolean;
  readonly xattrs?: boolean;
  readonly folderLinks?: boolean;
  readonly writeback?: boolean;
  readonly passthrough?: boolean;
  readonly stats?: boolean;
  readonly fsname?: string;
  readonly subtype?: string;
}

/** What serves a FUSE mount: a process of its own (`BegunHost`), or the one that asks. */
export interface Host {
  /** The row of the mount when it is live. Fails as mounting does, and leaves nothing then. */
  serve(spec: HostSpec): Promise<MountRow>;
}

/** What a host answers once: the row of its live mount, or why there is none. */
export type HostReport =
  | { readonly live: MountRow }
  | {
      readonly error: {
        readonly kind: string;
        readonly what: string;
        readonly why: string;
        readonly hint?: string;
      };
    };
