// Why a mount did not come about or does not go, with what to type next: one place for the errnos of mount(2),
// umount2(2), flock(2) and their helpers.

import { EACCES, EBUSY, EINVAL, ENODEV, ENOENT, ENOSYS, EOPNOTSUPP, EPERM, FsError } from '../../fs/index.js';
import { type ErrorKind, StoreError } from '../errors.js';

const KINDS: ReadonlyMap<number, { readonly kind: ErrorKind; readonly hint?: string }> = new Map([
  [EBUSY, { kind: 'failed-precondition', hint: 'see who uses it: fuser -vm DIR, or mica mounts' }],
  [EPERM, { kind: 'unsupported', hint: 'mica doctor says what this user may mount' }],
  [EACCES, { kind: 'unsupported', hint: 'mica doctor says what this user may mount' }],
  [ENODEV, { kind: 'unsupported', hint: 'mica doctor says what this kernel has' }],
  [ENOSYS, { kind: 'unsupported', hint: 'mica doctor says what this kernel has' }],
  [EOPNOTSUPP, { kind: 'unsupported', hint: 'mica doctor says what this kernel has' }],
  [ENOENT, { kind: 'failed', hint: 'mica doctor' }],
  [EINVAL, { kind: 'failed', hint: 'dmesg | tail may say more' }],
]);

/** `error` as a StoreError about `what`; one that is a StoreError already, or a bug, stays what it is. */
export function mountFailure(what: string, error: unknown): unknown {
  if (error instanceof FsError) {
    const { kind, hint } = KINDS.get(error.errno) ?? { kind: 'failed' };
    return new StoreError(kind, what, error.message, {
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  }
  const code = (error as NodeJS.ErrnoException).code;
  if (error instanceof StoreError || typeof code !== 'string') return error;
  return new StoreError('failed', what, (error as Error).message, { cause: error });
}
