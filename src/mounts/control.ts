// The control socket of a running mount: what other processes may ask the server of a mount for. One request
// is one JSON object on a line, answered by one JSON object on a line, which the bytes of events follow
// (control-answer.ts). The socket's folder is 0700, which is the whole of its access control.
//
// The server answers from the thread that serves the filesystem, between two of its steps, so an answer never
// shows a half-done operation. Only events are read beside that thread, which is not kept from its work by them.

import type {
  EventsReply,
  EventsRequest,
  ExchangeReply,
  ExchangeRequest,
  Explanation,
  RequestTime,
  StackDescription,
} from '../../fs/index.js';
import type { SummaryJson } from './summary.js';
import type { SumRequest } from './sums.js';

export type ControlRequest =
  | { readonly op: 'status' }
  /**
   * The kept events after `since`; with `requests` the server records requests too from now on, for some seconds or until
   * somebody asks with `requests` false.
   */
  | EventsRequest
  | SumRequest
  /** `path` as base64 of its bytes, relative to the root of the mount; `names`: what sentences call layers, by their ids. */
  | {
      readonly op: 'explain';
      readonly pathBase64: string;
      readonly names?: Readonly<Record<string, string>>;
    }
  | { readonly op: 'usage' }
  | { readonly op: 'settle' }
  /** The upper may be read as one more lower: names of hard links are made; it need not be plain. */
  | { readonly op: 'join' }
  | { readonly op: 'flush' }
  /** Settle and flush, then read only until it is unmounted: a commit of a mounted snapshot. */
  | { readonly op: 'freeze' }
  /** What is changed through the mount is from now on in another folder, which is empty: a commit or a rollback. */
  | ExchangeRequest
  | { readonly op: 'stop' }
  /** End, whoever is left in the mount, if nobody can come to it by a path any more: its upper is wanted elsewhere. */
  | { readonly op: 'yield' };

export interface MountStatus {
  readonly target: string;
  readonly pid: number;
  readonly readOnly: boolean;
  readonly transport: string;
  readonly stack: StackDescription;
  /** Counters since the mount began. */
  readonly requests: number;
  /** How long requests took, by kind, for a mount with `stats`. */
  readonly times?: Readonly<Record<string, RequestTime>>;
  /** Files that somebody can write to without the server (passthrough): they stand against a freeze. */
  readonly written?: readonly string[];
  readonly lastSeq: number;
}

export interface ControlReplies {
  status: MountStatus;
  events: EventsReply;
  sum: SummaryJson;
  explain: Explanation;
  usage: { readonly size: number; readonly inodes: number };
  settle: { readonly settled: boolean };
  join: Record<string, never>;
  flush: Record<string, never>;
  freeze: Record<string, never>;
  exchange: Omit<ExchangeReply, 'stale'>;
  stop: Record<string, never>;
  yield: { readonly ends: boolean };
}

export type ControlReply<Op extends ControlRequest['op']> = ControlReplies[Op];

/** An asker's end of a control connection. */
export interface ControlClient {
  /** Fails with the server's StoreError, or failed-precondition if the server is gone. */
  ask<R extends ControlRequest>(request: R): Promise<ControlReply<R['op']>>;
  close(): void;
}

/** What a server does with one request; a thrown StoreError or FsError goes to the asker. */
export type ControlHandler = (request: ControlRequest) => Promise<object>;
