// The differ by marks, and the same comparison without them, on layers in memory and in folders.

import { differSuite } from '../../suites/differ.js';
import { byMarks, tarOf } from '../../suites/store-differs.js';
import { Work } from './work.js';

const remove = async () => undefined;

differSuite('the marks of a layer in memory', async () => ({
  layer: async (layers, change) => {
    const work = await Work.begin(...layers);
    change(work);
    const from = layers.length === 0 ? undefined : work.below();
    return tarOf({ from, to: work.union, layer: work.upper });
  },
  remove,
}));

differSuite('a walk over two unions', async () => ({
  layer: async (layers, change) => {
    const work = await Work.begin(...layers);
    change(work);
    return tarOf({ from: layers.length === 0 ? undefined : work.below(), to: work.union });
  },
  remove,
}));

differSuite('the marks of a snapshot in folders', byMarks);
