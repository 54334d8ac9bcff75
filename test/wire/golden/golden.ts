// One message of the protocol to the byte: a request, what the filesystem is asked for it, and the reply. The bytes
// of requests are those of Linux 6.18 on x86-64.

import type { RecordingFilesystem } from '../../fs/fuse/recording-filesystem.js';

export interface Golden {
  readonly name: string;
  readonly request: Uint8Array;
  readonly asks: readonly string[];
  /** '' for none. */
  readonly reply: string;
  /** What the filesystem has, if it is not what it has by itself. */
  given?(filesystem: RecordingFilesystem): void;
}

/** The caller of a request that says nothing else, with the umask 022. */
export const CALLER = '{uid:1000,gid:100,pid:99,umask:18}';
export const UMASK = '12000000';
