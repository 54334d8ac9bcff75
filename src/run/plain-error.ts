// An error as data, for the process that started this one, and back.

import { type ErrorKind, StoreError } from '../errors.js';
import type { PlainError } from './messages.js';

/** `what` stands where the error does not say what failed. */
export function plainError(error: unknown, what: string): PlainError {
  if (!(error instanceof StoreError)) {
    return { kind: 'failed', what, why: error instanceof Error ? error.message : String(error) };
  }
  const { kind, why, hint } = error;
  return { kind, what: error.what, why, ...(hint === undefined ? {} : { hint }) };
}

export function asStoreError({ kind, what, why, hint }: PlainError): StoreError {
  return new StoreError(kind as ErrorKind, what, why, hint === undefined ? {} : { hint });
}
