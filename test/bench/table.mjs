// What the bench prints: a line a workload, with the median of each contender and the ratios ours / theirs (below 1:
// we are faster), and which rows are above their targets.
import { readFileSync } from 'node:fs';

/** Two builds are told apart from noise by this much. */
const SAME = 1.1;
const BOUNDS = JSON.parse(readFileSync(new URL('bounds.json', import.meta.url), 'utf8'));

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** The medians of a workload, and what is compared with what. `seen` has the values of each contender by name. */
export function row(workload, seen, twoBuilds) {
  const medians = Object.fromEntries(
    [...seen].filter(([, values]) => values.length > 0).map(([name, values]) => [name, median(values)]),
  );
  const goals = twoBuilds
    ? Object.keys(medians)
        .filter((name) => !name.startsWith('old '))
        .map((name) => ({ ours: name, than: `old ${name}`, atMost: SAME }))
    : (workload.targets ?? []);
  const ratios = goals
    .filter(
      ({ ours, than }) => medians[ours] !== undefined && (than === undefined || medians[than] !== undefined),
    )
    .map((goal) => ({
      ...goal,
      ratio: medians[goal.ours] / (goal.than === undefined ? 1 : medians[goal.than]),
    }));
  return { name: workload.name, unit: workload.unit ?? 's', medians, ratios };
}

/** The rows above their targets, as lines. A row with a bound that bounds.json shows is held to that bound. */
export function failures(rows) {
  const missed = [];
  for (const { name, ratios } of rows) {
    for (const { ours, than, atMost, ratio } of ratios) {
      const bound = BOUNDS.find((b) => b.workload === name && b.ours === ours && b.than === than);
      const limit = Math.max(atMost, bound?.atMost ?? 0);
      if (!(ratio <= limit)) {
        missed.push(
          `${name}: ${ours} is ${ratio.toFixed(2)}${than === undefined ? '' : ` x ${than}`}, not ${limit}`,
        );
      }
    }
  }
  return missed;
}

const WIDTH = 34;
const columnOf = (name) => Math.max(name.length, 8) + 2;

export function header(contenders) {
  return `${'workload'.padEnd(WIDTH)}${contenders.map(({ name }) => name.padStart(columnOf(name))).join('')}  ratio (target)\n`;
}

export function line({ name, unit, medians, ratios }, contenders) {
  const cells = contenders.map((contender) => {
    const value = medians[contender.name];
    return (value === undefined ? '-' : value.toFixed(3)).padStart(columnOf(contender.name));
  });
  const goals = ratios.map(
    ({ ours, than, atMost, ratio }) =>
      `${ratio.toFixed(2)} ${ours}${than === undefined ? '' : `/${than}`} (${atMost}${ratio <= atMost ? '' : ' MISSED'})`,
  );
  return `${`${name}, ${unit}`.padEnd(WIDTH)}${cells.join('')}  ${goals.join('; ')}\n`;
}
