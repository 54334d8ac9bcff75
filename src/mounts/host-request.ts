// What a shared host is asked over its socket, and answers: one JSON object on a line each way, once a connection. An
// asker that goes away before the answer takes its mount along.

import type { HostReport, HostSpec } from './host-spec.js';
import { requestOf } from './request-line.js';

export type HostRequest = { readonly op: 'serve'; readonly spec: HostSpec } | { readonly op: 'status' };

export interface HostStatus {
  readonly pid: number;
  readonly mounts: number;
}

export type HostAnswer =
  | HostReport
  /** This host has no room for it; a process of its own may. */
  | { readonly full: string }
  | { readonly status: HostStatus };

/** What a host is asked for; fails with invalid-argument if that is no request. */
export function hostRequestOf(line: string): HostRequest {
  return requestOf(line, 'cannot answer a request for a mount', { serve: { spec: 'object' }, status: {} });
}
