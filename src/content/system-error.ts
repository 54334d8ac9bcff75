// Failures of file calls as the store says them.

import { StoreError } from '../errors.js';

/** True if the system call failed with this errno name. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** `error` about `what`, with the system's words alone; a StoreError stays what it is. */
export function asStoreError(error: unknown, what: string): StoreError {
  if (error instanceof StoreError) return error;
  const message = error instanceof Error ? error.message : String(error);
  // Node writes "ENOSPC: no space left on device, write '/path'".
  const words = /^E[A-Z0-9]+: (.+?)(?:, \w+(?: '.*)?)?$/s.exec(message)?.[1] ?? message;
  return new StoreError('failed', what, words, { cause: error });
}
