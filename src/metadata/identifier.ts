// Identifiers: containerd's rule for names that become parts of paths and keys (`pkg/identifiers`).

import { StoreError } from '../errors.js';

const IDENTIFIER = /^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/;
const MAX = 76;

/** invalid-argument unless `id` is letters and digits, with single . _ - between them; `what` begins the error. */
export function assertIdentifier(id: string, what: string): void {
  if (id.length > MAX) {
    throw new StoreError('invalid-argument', what, `a name has at most ${MAX} characters`);
  }
  if (!IDENTIFIER.test(id)) {
    throw new StoreError(
      'invalid-argument',
      what,
      'a name is letters and digits, with single . _ - between them',
    );
  }
}
