// What the union tells about itself while it works: every request, copy-up, whiteout, mark.

import type { ByteString } from '../name.js';
import type { Operation } from './operation.js';

/** `merge`: the folders of several layers were shown as one. Told, as requests are, only while somebody asks for it. */
export const KINDS = [
  'request',
  'copy-up',
  'whiteout',
  'opaque',
  'redirect',
  'merge',
  'settle',
  'commit',
] as const;
export type EventKind = (typeof KINDS)[number];

export interface UnionEvent {
  /** Counts from 1 without gaps. */
  readonly seq: number;
  /** Nanoseconds since the epoch; a double, so exact to about 256 ns. */
  readonly timeNs: number;
  readonly kind: EventKind;
  /** For requests also the operation: `lookup`, `rename`, ... */
  readonly operation?: string;
  /** From the root of the union; '' is the root. */
  readonly path: ByteString;
  /** The id of the layer that answered or was changed, where one did. */
  readonly layer?: string;
  readonly bytesCopied?: number;
  /** Bytes that a copy-up did not have to copy (shared extents, holes, ranges left below). */
  readonly bytesSaved?: number;
  /** Linux errno of a request that failed. */
  readonly errno?: number;
  readonly durationNs?: number;
  /** Of requests that read or write data: how much. */
  readonly bytes?: number;
  /** Of a merge: how many folders were shown as one. */
  readonly parts?: number;
}

type Always = 'seq' | 'timeNs' | 'kind' | 'path';

/** What an event may have a number of. */
export const AMOUNTS = ['durationNs', 'bytes', 'bytesCopied', 'bytesSaved', 'parts'] as const;

/** An event as it is looked at: what it has not may be told as undefined. */
export type SeenEvent = Pick<UnionEvent, Always> & {
  readonly [Key in Exclude<keyof UnionEvent, Always>]?: UnionEvent[Key] | undefined;
};

export interface NewEvent extends Omit<UnionEvent, 'seq' | 'timeNs' | 'operation'> {
  readonly operation?: Operation;
}
