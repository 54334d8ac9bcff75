// The failures of the store: a kind, what failed and why, and where there is one the next command to type.
// Thrown once where it is known; translated once at an edge (exit code, gRPC status).

export type ErrorKind =
  /** The words or data given are wrong: nothing was tried. */
  | 'invalid-argument'
  | 'not-found'
  | 'already-exists'
  /** In use, has children, not committed: the state does not allow it. */
  | 'failed-precondition'
  /** Somebody else has it just now: the same may work in a moment. */
  | 'unavailable'
  /** An offset beyond the end, or not where the bytes end. */
  | 'out-of-range'
  /** This machine, kernel or user cannot do it. */
  | 'unsupported'
  /** Data on disk or in an archive is not what its digest or format says. */
  | 'corrupt'
  /** Ended on request (a signal). */
  | 'canceled'
  /** Everything else: a system call failed. */
  | 'failed';

export interface StoreErrorOptions extends ErrorOptions {
  /** The next command to type, or what to change. */
  readonly hint?: string;
}

/** `what` names the action and its object ("cannot remove snapshot base"), `why` the reason. */
export class StoreError extends Error {
  readonly kind: ErrorKind;
  readonly what: string;
  readonly why: string;
  readonly hint: string | undefined;

  constructor(kind: ErrorKind, what: string, why: string, options?: StoreErrorOptions) {
    super(`${what}: ${why}`, options);
    this.name = 'StoreError';
    this.kind = kind;
    this.what = what;
    this.why = why;
    this.hint = options?.hint;
  }
}

export function isKind(error: unknown, kind: ErrorKind): error is StoreError {
  return error instanceof StoreError && error.kind === kind;
}
