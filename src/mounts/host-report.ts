// What a mount host answers, as data that crosses a process boundary, and back.

import { type ErrorKind, StoreError } from '../errors.js';
import type { HostReport } from './host-spec.js';
import type { MountRow } from './table.js';

type Refusal = Extract<HostReport, { readonly error: object }>;

/** Why there is no mount. What nobody has foreseen is told in full to `note`, too. */
export function refusal(error: unknown, note: (text: string) => void): Refusal {
  if (error instanceof StoreError) {
    const { kind, what, why, hint } = error;
    return { error: { kind, what, why, ...(hint === undefined ? {} : { hint }) } };
  }
  note(`${faultText(error)}\n`);
  const why = error instanceof Error ? error.message : String(error);
  return { error: { kind: 'failed', what: 'cannot mount', why } };
}

/** The row of the live mount, or the host's StoreError. */
export function rowOf(report: HostReport): MountRow {
  if ('live' in report) return report.live;
  const { kind, what, why, hint } = report.error;
  throw new StoreError(kind as ErrorKind, what, why, hint === undefined ? {} : { hint });
}

export function faultText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
