// What nobody refers to any more is gone after a collection, without a turn of the event loop that the program asked for.

import { describe, expect, it } from 'vitest';
import { collectGarbage } from '../../../fs/transport/rest.js';

describe.runIf(process.features.inspector)('collecting garbage', () => {
  it('frees what is not referred to, and nothing else', async () => {
    const kept = { name: 'kept' };
    const references = [new WeakRef(kept), new WeakRef({ name: 'lost' })];
    await collectGarbage();
    expect(references.map((reference) => reference.deref()?.name)).toEqual(['kept', undefined]);
    expect(kept.name).toBe('kept');
  });

  it('can be done again', async () => {
    await collectGarbage();
    const references = [new WeakRef({})];
    await collectGarbage();
    expect(references[0]?.deref()).toBeUndefined();
  });
});
