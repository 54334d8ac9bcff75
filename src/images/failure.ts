// How failures inside long work reach the person: a signal becomes a StoreError of kind 'canceled' at the next
// safe place, and an error from deep inside (a header, a compressed stream) begins with what was asked for.

import { StoreError } from '../errors.js';

/** Throws 'canceled' if the work was called off; `what` begins the error. */
export function assertGoesOn(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) {
    throw new StoreError('canceled', what, 'stopped on request', { cause: signal.reason });
  }
}

/** A StoreError of the same kind that begins with `what`; everything else as it is. */
export function about(what: string, error: unknown): unknown {
  if (!(error instanceof StoreError) || error.what.startsWith(what)) return error;
  const hint = error.hint === undefined ? {} : { hint: error.hint };
  return new StoreError(error.kind, what, `${error.what}: ${error.why}`, { cause: error, ...hint });
}
