// What the main thread and the thread of a mount say to each other, as plain data.

import { FsError } from '../errno.js';
import type { StackDescription } from '../layer/open-stack.js';
import type { OwnerRules } from '../owners/id-map.js';
import type { ServerFault } from './transport.js';

/** What the thread serves. */
export interface ServerStart {
  readonly stack: StackDescription;
  readonly mountPoint: string;
  readonly transport: string;
  readonly owners?: OwnerRules;
  readonly writeback?: boolean;
  readonly passthrough?: boolean;
  readonly stats?: boolean;
  /** As for `MountRequest`; absent: true. */
  readonly acls?: boolean;
  readonly xattrs?: boolean;
  readonly folderLinks?: boolean;
}

/**
 * Memory that the two share from the beginning: what the main thread needs to know of one that has ended without a word,
 * and what happens in the mount.
 * `files` as for `noteOpenFiles`, `folders` and `allFolders`, which is of all mounts of the process, as for `shareFolderRoom`.
 * `events` is an `eventBuffer`.
 */
export interface SharedNotes {
  readonly files: SharedArrayBuffer;
  readonly allFolders: SharedArrayBuffer;
  readonly folders: SharedArrayBuffer;
  readonly events: SharedArrayBuffer;
}

export type ToServer =
  /** The first message, once. */
  | { readonly type: 'open'; readonly start: ServerStart }
  /** The descriptors of the mounted device and of the eventfd. */
  | { readonly type: 'serve'; readonly device: number; readonly wake: number }
  | { readonly type: 'control'; readonly id: number; readonly request: object }
  /** Leave, whatever the mount does: the process exits. */
  | { readonly type: 'leave' }
  /** The same in a process that goes on. */
  | { readonly type: 'abandon' };

export type FromServer =
  | { readonly type: 'opened'; readonly readOnly: boolean }
  | { readonly type: 'live' }
  | { readonly type: 'reply'; readonly id: number; readonly reply: object }
  | { readonly type: 'refusal'; readonly id: number; readonly error: PlainError }
  | { readonly type: 'fault'; readonly fault: ServerFault }
  /** `stuck`: something waits for a disk that does not answer, so that the thread cannot end. */
  | { readonly type: 'ended'; readonly how: 'unmounted' | 'aborted' | 'stopped'; readonly stuck: boolean }
  /** The server could not begin, or cannot go on. */
  | { readonly type: 'failed'; readonly error: PlainError };

/** An error that crosses threads: class and errno survive. */
export interface PlainError {
  readonly message: string;
  readonly errno?: number;
  readonly stack?: string;
}

export function toPlainError(error: unknown): PlainError {
  if (!(error instanceof Error)) return { message: String(error) };
  const stack = error.stack === undefined ? {} : { stack: error.stack };
  return { message: error.message, ...(error instanceof FsError ? { errno: error.errno } : stack) };
}

export function fromPlainError({ message, errno, stack }: PlainError): Error {
  if (errno === undefined) return Object.assign(new Error(message), stack === undefined ? {} : { stack });
  return Object.assign(new FsError(errno), { message });
}
