// make-scale.mjs CHECKOUT ROOT STATE FILES...: a store of committed snapshots step0, step1, … on top of each other,
// the first n of which hold the n-th number of FILES together. Prints the ids of their folders as JSON.
import { basename, dirname, join, resolve } from 'node:path';
import { makeMany } from './layers.mjs';

const [checkout, root, state, ...sizes] = process.argv.slice(2);
const { Store } = await import(join(resolve(checkout), 'dist/src/store.js'));
const store = await Store.open(root, { state, driver: 'fuse', durable: false });
const ids = [];
let [parent, from] = [undefined, 0];
for (const [step, files] of sizes.map(Number).entries()) {
  await store.snapshots.prepare('layer', parent);
  const { upper } = await store.snapshots.stack('layer');
  makeMany(upper.path, from, files);
  await store.snapshots.commit(`step${step}`, 'layer');
  ids.push(basename(dirname(upper.path)));
  [parent, from] = [`step${step}`, files];
}
await store.close();
process.stdout.write(JSON.stringify(ids));
