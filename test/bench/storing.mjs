// What a store costs that holds a lot: listing, preparing and committing beside one that is next to empty, and the
// collection of what nothing needs.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assertEqual, must } from './measure.mjs';

const TURN = fileURLToPath(new URL('store-turn.mjs', import.meta.url));
const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));

function full({ contender: { fixtures, checkout = CHECKOUT } }) {
  const part = fixtures.sizes.files / 36_000;
  const counts = [10_000, 100_000].map((count) => String(Math.max(100, Math.round(count * part))));
  const at = mkdtempSync(join(fixtures.onDisk, 'store-'));
  try {
    const seen = JSON.parse(must(process.execPath, [TURN, checkout, at, ...counts]));
    assertEqual('snapshots after a collection', seen.left.snapshots, seen.turns);
    assertEqual('files of blobs after a collection', seen.left.files, 0);
    return seen;
  } finally {
    rmSync(at, { recursive: true, force: true });
  }
}

const times = (atMost) => ({ unit: 'times', targets: [{ ours: 'store', atMost }] });

export const STORING = [
  {
    name: 'full store, against an empty one',
    only: ['store'],
    run: full,
    measures: {
      // For each snapshot that is listed.
      ls: times(2),
      prepare: times(2),
      commit: times(2),
      collect: { unit: 's', targets: [{ ours: 'store', atMost: 10 }] },
    },
  },
];
