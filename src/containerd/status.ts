// The one table between the store's kinds of failure and gRPC's statuses: outwards for the server, inwards for the
// clients. The numbers are those that containerd answers in the same case, because its clients branch on them.

import { status } from '@grpc/grpc-js';
import { type ErrorKind, StoreError } from '../errors.js';

const STATUS_OF_KIND: Readonly<Record<ErrorKind, status>> = {
  'invalid-argument': status.INVALID_ARGUMENT,
  'not-found': status.NOT_FOUND,
  'already-exists': status.ALREADY_EXISTS,
  'failed-precondition': status.FAILED_PRECONDITION,
  unavailable: status.UNAVAILABLE,
  'out-of-range': status.OUT_OF_RANGE,
  unsupported: status.UNIMPLEMENTED,
  corrupt: status.DATA_LOSS,
  canceled: status.CANCELLED,
  failed: status.UNKNOWN,
};

/** What no kind names: a deadline that passed cancels as well. Everything else is `failed`. */
const KIND_OF_STATUS: ReadonlyMap<number, ErrorKind> = new Map([
  ...Object.entries(STATUS_OF_KIND).map(([kind, code]) => [code, kind as ErrorKind] as const),
  [status.DEADLINE_EXCEEDED, 'canceled'],
]);

/** A failure whose status no kind of the store names, or another one than its kind's. */
export class StatusError extends Error {
  readonly code: status;

  constructor(code: status, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StatusError';
    this.code = code;
  }
}

/** What ends a call: `details` is the text that the client shows. */
export interface CallStatus {
  readonly code: status;
  readonly details: string;
}

/** How a handler's failure ends its call. */
export function statusOf(error: unknown): CallStatus {
  if (isAbort(error)) return { code: status.CANCELLED, details: error.message };
  if (error instanceof StoreError) return { code: STATUS_OF_KIND[error.kind], details: error.message };
  if (error instanceof StatusError) return { code: error.code, details: error.message };
  return { code: status.UNKNOWN, details: error instanceof Error ? error.message : String(error) };
}

/** True for a failure that somebody foresaw: of the store, of the protocol, or of a system call, or that a caller has gone. */
export function isForeseen(error: unknown): boolean {
  if (error instanceof StoreError || error instanceof StatusError || isAbort(error)) return true;
  return error instanceof Error && (error.name === 'FsError' || 'syscall' in error);
}

/** A status that a client got, as the failure of `what` ("cannot commit snapshot k"); other errors as they are. */
export function failureOfStatus(error: unknown, what: string): unknown {
  if (!isStatus(error)) return error;
  const kind = KIND_OF_STATUS.get(error.code) ?? 'failed';
  // Our own server has said what it could not do already.
  const why = error.details.startsWith(`${what}: `) ? error.details.slice(what.length + 2) : error.details;
  return new StoreError(kind, what, why, { cause: error });
}

/** What Node's functions throw when the signal that they were given is aborted, and `throwIfAborted`. */
function isAbort(error: unknown): error is Error {
  return error instanceof Error && error.name === 'AbortError';
}

function isStatus(error: unknown): error is Error & CallStatus {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'number' &&
    'details' in error &&
    typeof error.details === 'string'
  );
}
