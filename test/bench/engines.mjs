// `npm run bench -- engines [import|build]`: what engines take with our parts beside what they take with those they come with,
// in turn, each turn with the other one first.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { builders } from './engine-build.mjs';
import { importers } from './engine-import.mjs';
import { median } from './measure.mjs';

const WORK = { import: importers, build: builders };
/** Ours over theirs. */
const AT_MOST = 1.05;

export const isEngineWork = (name) => Object.hasOwn(WORK, name);

/** Rows `{ work, seconds: { NAME: [...] }, medians, ratio }`; `say` hears a line for each turn and each row. */
export async function engines(dir, names, rounds, say) {
  const rows = [];
  for (const work of names.length > 0 ? names : Object.keys(WORK)) {
    const base = mkdtempSync(join(dir, 'mica-eng-'));
    const contenders = [];
    try {
      contenders.push(...WORK[work](base));
      const seconds = Object.fromEntries(contenders.map(({ name }) => [name, []]));
      for (let round = 0; round < rounds; round++) {
        for (const { name, turn } of round % 2 === 0 ? contenders : contenders.toReversed()) {
          const took = await turn();
          seconds[name].push(took);
          say(`${work} ${name} ${took.toFixed(2)}`);
        }
      }
      const medians = Object.fromEntries(Object.entries(seconds).map(([name, all]) => [name, median(all)]));
      const [ours, theirs] = Object.values(medians);
      const row = { work, seconds, medians, ratio: ours / theirs };
      rows.push(row);
      say(engineLine(row));
    } finally {
      for (const { end } of contenders) end();
      rmSync(base, { recursive: true, force: true });
    }
  }
  return rows;
}

function engineLine({ work, medians, ratio }) {
  const shown = Object.entries(medians).map(([name, value]) => `${name} ${value.toFixed(2)} s`);
  return `${work}: median of ${shown.join(', of ')}: ${ratio.toFixed(3)} (at most ${AT_MOST})`;
}

/** What is above its target, a line each. */
export function engineFailures(rows) {
  return rows
    .filter(({ ratio }) => !(ratio <= AT_MOST))
    .map(({ work, ratio }) => `engines ${work}: ${ratio.toFixed(3)}, not ${AT_MOST}`);
}
