// A transport shows a Filesystem at a mount point. The server runs on a thread of its own; the thread that calls
// a transport stays free for signals and control, and must never touch the mount, because a process that waits
// for its own mount can wait for ever.

import type { StackDescription } from '../layer/open-stack.js';
import type { OwnerRules } from '../owners/id-map.js';

export interface MountRequest {
  /** The layers. They are opened, and the upper is taken, before anything is mounted. */
  readonly stack: StackDescription;
  /** An existing folder, absolute, as text. */
  readonly mountPoint: string;
  /** Nothing can be changed through the mount, even if the stack has an upper. */
  readonly readOnly?: boolean;
  /** Users other than the mounter may use the mount. Ordinary users need `user_allow_other` in /etc/fuse.conf. Default: as root only. */
  readonly allowOther?: boolean;
  /** Which owners the mount shows. Default: those of the layers, and the mounter where his user namespace has no number for one. */
  readonly owners?: OwnerRules;
  /** The source column of /proc/mounts; default `mica`. */
  readonly fsname?: string;
  /** The type column shows `fuse.<subtype>`; default `mica`. */
  readonly subtype?: string;
  /** Device files work; only for root. Default: as root. */
  readonly dev?: boolean;
  /** Set-user-id programs work; only for root. Default: as root. */
  readonly suid?: boolean;
  readonly exec?: boolean;
  /** Files have POSIX ACLs. Default: true. */
  readonly acls?: boolean;
  /** Files have extended attributes, ACLs among them. Default: true. */
  readonly xattrs?: boolean;
  /** st_nlink of a folder counts its subfolders; else it is 1. Default: true. */
  readonly folderLinks?: boolean;
  /**
   * The kernel collects writes and hands them over later: faster for many small ones, but a write that returned is
   * lost if the server dies before an fsync. Not for lowers that change.
   */
  readonly writeback?: boolean;
  /** How long requests take is measured, by kind; `status` tells. Default: no, because that takes time itself. */
  readonly stats?: boolean;
  /** Files may be read and written by the kernel alone, where it allows that. Default: true. Not with `writeback`. */
  readonly passthrough?: boolean;
  /** A bug in serving a request: the request got EIO, and the mount goes on. */
  readonly onFault?: (fault: ServerFault) => void;
}

export interface ServerFault {
  readonly operation: string;
  readonly message: string;
  readonly stack?: string;
}

/** `unmounted`: by whomever; `aborted`: the kernel cut the connection; `stopped`: the server left first; `failed`: see the error. */
export type MountEnd =
  | { readonly how: 'unmounted' | 'aborted' | 'stopped' }
  | { readonly how: 'failed'; readonly error: Error };

export interface RunningMount {
  readonly mountPoint: string;
  readonly transport: string;
  readonly readOnly: boolean;
  /** Resolves when the kernel and the server have agreed and every request is served; rejects if that never comes. */
  readonly live: Promise<void>;
  /** Resolves, and never rejects, when the mount is gone and the server's thread has ended. */
  readonly ended: Promise<MountEnd>;
  /**
   * Unmounts and waits for the end. FsError EBUSY if the mount is in use; `lazy` detaches it at once, and
   * `ended` then waits for its last user.
   */
  unmount(options?: { readonly lazy?: boolean }): Promise<void>;
  /**
   * Ends a mount that is at no place any more, whoever is left in it: what he asks for from now on fails with ENOTCONN.
   * Absent where the transport cannot.
   */
  abandon?(): Promise<void>;
  /**
   * Asks the server something between two of its requests: one object in, one out. FsError ENOTCONN if the
   * server has ended.
   */
  control(request: object): Promise<object>;
}

export interface Transport {
  readonly name: string;
  /** Begins what the next `start` would wait for, whatever it mounts. Costs a thread; keeps no process alive. */
  prepare?(): void;
  /** Opens the layers, mounts, and begins to serve. An FsError says what could not be opened or mounted; nothing is left then. */
  start(request: MountRequest): Promise<RunningMount>;
}
