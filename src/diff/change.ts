// One change of a tree, as `mica diff` lists it.

import type { ByteString, FileKind } from '../../fs/index.js';

export interface Change {
  /** Added, modified (also in attributes alone) or deleted. */
  readonly op: 'A' | 'M' | 'D';
  readonly path: ByteString;
  /** Of what is there now; for a deletion, of what was. */
  readonly kind: FileKind;
  /** Bytes of a file; 0 for everything else and for deletions of folders. */
  readonly size: number;
}
