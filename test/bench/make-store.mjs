// make-store.mjs CHECKOUT ROOT STATE FOLDER NAME...: a store made by the build in CHECKOUT, in which every folder
// FOLDER/NAME (bottom first) is a committed snapshot NAME on top of the one before.
import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';

const [checkout, root, state, folder, ...names] = process.argv.slice(2);
const { Store } = await import(join(resolve(checkout), 'dist/src/store.js'));
const store = await Store.open(root, { state, driver: 'fuse', durable: false });
let parent;
for (const name of names) {
  await store.snapshots.prepare('layer', parent);
  const { upper } = await store.snapshots.stack('layer');
  execFileSync('cp', ['-a', '--reflink=auto', `${join(folder, name)}/.`, upper.path]);
  await store.snapshots.commit(name, 'layer');
  parent = name;
}
await store.close();
