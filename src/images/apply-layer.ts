// Applies one layer tar to the upper of an active snapshot through an in-process union over its chain.

import type { StackDescription } from '../../fs/index.js';
import type { Digest } from '../digest.js';
import { StoreError } from '../errors.js';

export async function applyTo(_stack: StackDescription, _layer: AsyncIterable<Uint8Array>): Promise<Digest> {
  throw new StoreError('unsupported', 'cannot apply the layer', 'this build has no in-process union');
}
