// Why a path of the union is what it is: what each layer holds there, from the top, and what a change would do.

import type { FileKind } from '../mode.js';
import type { ByteString } from '../name.js';

export type LayerFinding = 'file' | 'folder' | 'opaque' | 'whiteout' | 'redirect' | 'nothing' | 'not-looked';

export interface ExplainedLayer {
  readonly id: string;
  readonly role: 'upper' | 'lower';
  readonly finding: LayerFinding;
}

export interface Explanation {
  readonly path: ByteString;
  readonly kind?: FileKind;
  /** The layer that wins; 'absent' if the path does not exist. */
  readonly result: { readonly layer: string } | 'absent';
  /** From the top. */
  readonly layers: readonly ExplainedLayer[];
  /** One sentence. */
  readonly why: string;
  /** What a first write would copy; absent where nothing could be written. */
  readonly onWrite?: { readonly copiesBytes: number };
  /** One sentence; absent where nothing could be deleted. */
  readonly onDelete?: string;
}
