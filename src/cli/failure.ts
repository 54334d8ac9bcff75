// The one place where an error becomes what a person and a script see: a line, a hint, an exit code.

import { type ErrorKind, StoreError } from '../errors.js';

export const EXIT = {
  done: 0,
  failed: 1,
  invalid: 2,
  notFound: 3,
  exists: 4,
  precondition: 5,
  unsupported: 6,
} as const;

const EXIT_OF_KIND: Readonly<Record<ErrorKind, number>> = {
  'invalid-argument': EXIT.invalid,
  'not-found': EXIT.notFound,
  'already-exists': EXIT.exists,
  'failed-precondition': EXIT.precondition,
  unavailable: EXIT.precondition,
  'out-of-range': EXIT.invalid,
  unsupported: EXIT.unsupported,
  corrupt: EXIT.failed,
  failed: EXIT.failed,
  canceled: 130,
};

export type EndingSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';
const EXIT_OF_SIGNAL: Readonly<Record<EndingSignal, number>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

export interface Failure {
  readonly code: number;
  readonly kind: ErrorKind;
  readonly message: string;
  readonly hint: string | undefined;
}

/**
 * An error that ends a command, in words. Kinds decide the exit code; what failed after a signal asked to end
 * is `canceled`, whatever it looked like below.
 */
export function failureOf(error: unknown, signal?: EndingSignal): Failure {
  if (signal !== undefined) {
    const hint = error instanceof StoreError && error.kind === 'canceled' ? error.hint : undefined;
    return { code: EXIT_OF_SIGNAL[signal], kind: 'canceled', message: `ended: ${signal}`, hint };
  }
  if (error instanceof StoreError) {
    const why =
      error.kind === 'corrupt' && !/corrupt/.test(error.message) ? `corrupt: ${error.why}` : error.why;
    return {
      code: EXIT_OF_KIND[error.kind],
      kind: error.kind,
      message: oneLine(`${error.what}: ${why}`),
      hint: error.hint === undefined ? undefined : oneLine(error.hint),
    };
  }
  if (isFsError(error)) return failed(error.message, undefined);
  if (isSystemError(error)) return failed(systemText(error), undefined);
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return failed(`internal error: ${text}`, 'the same command with --debug shows where it happened');
}

/** The failure as text for stderr, each part ended by a newline. */
export function failureText(failure: Failure, json: boolean): string {
  if (json) {
    const { code, kind, message, hint } = failure;
    return `${JSON.stringify({ error: { code, kind, message, ...(hint === undefined ? {} : { hint }) } })}\n`;
  }
  const hint = failure.hint === undefined ? '' : `hint: ${failure.hint}\n`;
  return `mica: ${failure.message}\n${hint}`;
}

/** `error` with a hint of its own kept, else with this one; errors of other kinds as they are. */
export function hinted(error: unknown, kind: ErrorKind, hint: string): unknown {
  if (!(error instanceof StoreError) || error.kind !== kind || error.hint !== undefined) return error;
  return new StoreError(error.kind, error.what, error.why, { cause: error, hint });
}

function failed(message: string, hint: string | undefined): Failure {
  return { code: EXIT.failed, kind: 'failed', message: oneLine(message), hint };
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*[\r\n]+\s*/g, ' ');
}

/** By name, because importing the class would load the whole filesystem library before `mica --help` can answer. */
function isFsError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'FsError';
}

interface SystemError extends Error {
  readonly code: string;
  readonly syscall: string;
  readonly path?: string;
  readonly dest?: string;
}

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}

/** "cannot open /x: no such file or directory" from Node's "ENOENT: no such file or directory, open '/x'". */
function systemText(error: SystemError): string {
  const reason = /^[A-Z0-9]+: ([^,]*)/.exec(error.message)?.[1] ?? error.code;
  const object = error.path === undefined ? '' : ` ${error.path}`;
  return `cannot ${error.syscall}${object}: ${reason}`;
}
