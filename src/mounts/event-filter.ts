// Which events of a mount somebody wants, as plain data: a server that sums up for a trace is told of it.

import type { ByteString, SeenEvent } from '../../fs/index.js';

export interface EventFilter {
  /** Kinds and operations; absent: all. */
  readonly only?: readonly string[];
  /** A path of the mount, which is one of them, with all below it; '' for all. */
  readonly under: ByteString;
  /** Requests that failed. */
  readonly failed: boolean;
  /** Requests that took longer; absent: all events. */
  readonly slowerNs?: number;
}

const UPPER_KINDS = ['copy-up', 'whiteout', 'opaque', 'redirect', 'settle', 'commit'];

/** Requests are recorded only for who wants some of them. */
export function needsRequests({ only }: EventFilter): boolean {
  return only === undefined || only.some((name) => !UPPER_KINDS.includes(name));
}

export function isWantedBy({ only, under, failed, slowerNs }: EventFilter): (event: SeenEvent) => boolean {
  if (only === undefined && under === '' && !failed && slowerNs === undefined) return () => true;
  const names = only && new Set(only);
  return (event) => {
    if (names !== undefined && !names.has(event.kind) && !names.has(event.operation ?? '')) return false;
    if (under !== '' && event.path !== under && !event.path.startsWith(`${under}/`)) return false;
    if (failed && event.errno === undefined) return false;
    return slowerNs === undefined || (event.durationNs ?? 0) > slowerNs;
  };
}
