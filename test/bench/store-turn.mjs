// store-turn.mjs CHECKOUT FOLDER SNAPSHOTS BLOBS: what a store that holds so many costs beside one that holds next to
// nothing, through one open store each, in turn; and what it takes to collect all of the snapshots and a tenth of the
// blobs. Prints JSON.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { median } from './measure.mjs';

const [checkout, folder, ...counts] = process.argv.slice(2);
const [snapshots, blobs] = counts.map(Number);
const from = (name) => import(join(resolve(checkout), 'dist/src', `${name}.js`));
const { Store } = await from('store');
const { collectGarbage } = await from('collect');
const { putSnapshot, nextSnapshotId } = await from('metadata/snapshots');
const { putBlob } = await from('metadata/blobs');

const NOW = '2026-01-01T00:00:00.000000000Z';
const ROOTED = { 'containerd.io/gc.root': NOW };
/** Snapshots of the store that is next to empty, of which a listing takes a time that can be measured. */
const FEW = 100;
const TURNS = 31;

/** Rows in transactions of some thousand, and the folders and files of what is to be collected. */
async function filled(name, { committed, named }) {
  const root = join(folder, name);
  const store = await Store.open(root, { state: join(folder, 'state'), driver: 'fuse' });
  for (let at = 0; at < committed; at += 5000) {
    await store.metadata.write((tx) => {
      for (let n = at; n < Math.min(at + 5000, committed); n++) {
        const id = nextSnapshotId(tx);
        mkdirSync(join(store.folders.snapshots, id, 'fs'), { recursive: true });
        putSnapshot(tx, 'default', {
          ...{
            name: `layer ${n}`,
            id,
            kind: 'committed',
            form: 'diff',
            marks: 'trusted',
            dialect: 'overlay',
          },
          // Chains of ten.
          ...(n % 10 === 0 ? {} : { parent: `layer ${n - 1}` }),
          ...{ created: NOW, updated: NOW, labels: {}, size: 4096, inodes: 1 },
        });
      }
    });
  }
  mkdirSync(join(store.folders.content, 'blobs/sha256'), { recursive: true });
  for (let at = 0; at < named; at += 5000) {
    await store.metadata.write((tx) => {
      for (let n = at; n < Math.min(at + 5000, named); n++) {
        const hex = n.toString(16).padStart(64, '0');
        const isDead = n % 10 === 0;
        if (isDead) writeFileSync(join(store.folders.content, 'blobs/sha256', hex), 'blob');
        const labels = isDead ? {} : ROOTED;
        putBlob(tx, 'default', { digest: `sha256:${hex}`, size: 4, created: NOW, updated: NOW, labels });
      }
    });
  }
  return store;
}

async function secondsOf(body) {
  const start = process.hrtime.bigint();
  await body();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

/** The times of each step of one turn. */
async function turn(store, n) {
  let listed = 0;
  const ls = await secondsOf(async () => {
    for await (const _ of store.snapshots.walk()) listed++;
  });
  const prepare = await secondsOf(() => store.snapshots.prepare(`key ${n}`, undefined, { labels: ROOTED }));
  const commit = await secondsOf(() => store.snapshots.commit(`turn ${n}`, `key ${n}`, { labels: ROOTED }));
  return { ls: ls / listed, prepare, commit };
}

const empty = await filled('empty', { committed: FEW, named: 0 });
const full = await filled('full', { committed: snapshots, named: blobs });
const seen = { empty: [], full: [] };
for (let n = 0; n < TURNS; n++) {
  seen.empty.push(await turn(empty, n));
  seen.full.push(await turn(full, n));
}
const ratio = (step) =>
  median(seen.full.map((one) => one[step])) / median(seen.empty.map((one) => one[step]));
const ratios = { ls: ratio('ls'), prepare: ratio('prepare'), commit: ratio('commit') };
const collect = await secondsOf(() => collectGarbage(full));
const left = {
  snapshots: readdirSync(full.folders.snapshots).length,
  files: readdirSync(join(full.folders.content, 'blobs/sha256')).length,
};
for (const store of [empty, full]) await store.close();
process.stdout.write(JSON.stringify({ ...ratios, collect, left, turns: TURNS }));
