// What a mount's thread and the threads that do its long work say to each other, as plain data.

import type { MessagePort } from 'node:worker_threads';

/** One thing to do. Descriptors stay open until it is over. */
export type LaneJob = { readonly id: number } & (
  | {
      readonly kind: 'copy';
      readonly from: number;
      readonly to: number;
      readonly size: number;
      readonly sync: boolean;
      /** Not 0: the copy may end with EINTR. */
      readonly cancelled: Int32Array;
    }
  | {
      readonly kind: 'sync';
      readonly fd: number;
      readonly dataOnly: boolean;
      /** There is much to write: in pieces, so that others get a processor meanwhile. */
      readonly inPieces: boolean;
    }
  | { readonly kind: 'sync-filesystem'; readonly fd: number }
  | { readonly kind: 'fetch'; readonly fd: number; readonly offset: number; readonly length: number }
);

export interface LaneReport {
  readonly id: number;
  readonly errno: number;
  readonly bytes: number;
  readonly durationMs: number;
}

/** What such a thread is started with: where jobs come from, and the eventfd to signal after a report. */
export interface LaneStart {
  readonly port: MessagePort;
  readonly wake: number;
}
