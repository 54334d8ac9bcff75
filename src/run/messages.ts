// What the three processes of a running container say to each other, as data that crosses their borders. `mica run`
// starts a keeper, which holds the mount, and an init, which is the container's first process. Both end when the channel
// to `mica run` does. What init says comes from inside the container and is believed in nothing but the container's affairs.

import type { StackDescription } from '../../fs/index.js';
import type { Driver } from '../mounts/mount.js';
import type { MountedSnapshot } from '../mounts/table.js';

export interface KeeperSpec {
  readonly state: string;
  readonly target: string;
  readonly stack: StackDescription;
  readonly snapshot: MountedSnapshot;
  readonly driver: Driver;
  readonly transport: string;
  /** Folders of the machine that the keeper and the container go on to need. */
  readonly needed: readonly string[];
}

export interface PlainError {
  readonly kind: string;
  readonly what: string;
  readonly why: string;
  readonly hint?: string;
}

/** What a keeper answers once. */
export type KeeperReport = { readonly mounted: true } | { readonly error: PlainError };

export interface Bind {
  /** Of the machine; absolute. */
  readonly from: string;
  /** Of the container; absolute. */
  readonly to: string;
  readonly readOnly: boolean;
}

/** What runs in a container, after image and words were brought together. */
export interface ContainerProcess {
  readonly args: readonly string[];
  /** `NAME=value` */
  readonly env: readonly string[];
  /** Absolute. */
  readonly cwd: string;
  /** `user[:group]`, names or numbers; '' for root. */
  readonly user: string;
}

export interface InitSpec {
  /** Where the snapshot is mounted. */
  readonly root: string;
  readonly readOnly: boolean;
  readonly hostName: string;
  /** `/etc/hosts` and the like; where the image has no place for one it is left out. */
  readonly files: readonly Bind[];
  readonly binds: readonly Bind[];
  /** The terminal, which becomes /dev/console. */
  readonly terminal?: string;
  /** Root of the container is root of the machine: what /proc would let it change there is covered. */
  readonly coverProc: boolean;
  readonly process: ContainerProcess;
}

/** A name that init made in the snapshot to mount something over. */
export interface MadePoint {
  /** Absolute, in the container, without symlinks. */
  readonly path: string;
  readonly isFolder: boolean;
  /** When its folder had changed last before. */
  readonly folderMtimeNs: string;
}

export type InitReport =
  | { readonly made: readonly MadePoint[] }
  | { readonly started: true }
  | { readonly error: PlainError; readonly code?: number }
  /** The command's exit code, 128 + n after signal n. */
  | { readonly ended: number };

export interface ToInit {
  readonly signal: NodeJS.Signals;
}
