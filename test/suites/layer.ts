// The contract of fs/layer/layer.ts, to be run on every implementation. What is written through WriteLayer is
// read back through it and through `asLower`, the same content opened as a layer that is only read.

import { afterEach, beforeEach, describe } from 'vitest';
import { attributes } from './layer/attributes.js';
import { moving } from './layer/moving.js';
import { reading } from './layer/reading.js';
import { sharing } from './layer/sharing.js';
import { type LayerSuiteOptions, type LayerUnderTest, TestedLayer } from './layer/tested.js';

export type { LayerSuiteOptions, LayerUnderTest };

/** Registers the tests under `title`. */
export function describeLayer(title: string, make: () => LayerUnderTest, options: LayerSuiteOptions): void {
  describe(title, () => {
    const at = new TestedLayer(options);
    beforeEach(() => at.begin(make()));
    afterEach(() => at.end());

    reading(at);
    attributes(at);
    moving(at);
    sharing(at);
  });
}
