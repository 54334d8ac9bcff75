// What the bench prints: a line a measure of a workload, with the median of each contender and the ratios ours /
// theirs (below 1: we are faster), and which of them are above their targets.
import { median } from './measure.mjs';

/** Two builds are told apart from noise by this much. */
const SAME = 1.1;

const SECONDS = { unit: 's', targets: [] };

/** `measures` of a workload with nothing left out; an array stands for the targets of seconds. */
export function measuresOf({ measures = { seconds: [] } }) {
  return Object.entries(measures).map(([measure, said]) => ({
    measure,
    ...SECONDS,
    ...(Array.isArray(said) ? { targets: said } : said),
  }));
}

const rowName = (workload, measure) => (measure === 'seconds' ? workload : `${workload}: ${measure}`);

/**
 * The rows of a workload, one a measure. `seen` has by the name of a contender what its turns answered; `earlier` are
 * the rows of other workloads so far.
 */
export function rowsOf(workload, seen, earlier, twoBuilds = false) {
  return measuresOf(workload).map(({ measure, unit, targets }) => {
    const medians = Object.fromEntries(
      [...seen]
        .map(([name, turns]) => [name, turns.map((values) => values[measure])])
        .map(([name, values]) => [name, values.filter((value) => value !== undefined)])
        .filter(([, values]) => values.length > 0)
        .map(([name, values]) => [name, median(values)]),
    );
    const goals = twoBuilds ? againstOld(medians) : targets;
    return {
      name: rowName(workload.name, measure),
      unit,
      ...(workload.series === undefined ? {} : { series: { ...workload.series, measure } }),
      medians,
      ratios: goals.map((goal) => ({ ...goal, ratio: ratioOf(goal, medians, earlier) })),
    };
  });
}

const againstOld = (medians) =>
  Object.keys(medians)
    .filter((name) => !name.startsWith('old '))
    .map((name) => ({ ours: name, than: `old ${name}`, atMost: SAME }));

/** null where one side was not measured; JSON has no undefined. */
function ratioOf({ ours, than, of }, medians, earlier) {
  const other = of === undefined ? medians : earlier.find(({ name }) => name === of)?.medians;
  const base = than === undefined ? 1 : other?.[than];
  return medians[ours] === undefined || base === undefined ? null : medians[ours] / base;
}

const isBound =
  (name, { ours, than }) =>
  (bound) =>
    bound.row === name && bound.ours === ours && bound.than === than;

/** A target in words, as the table and the check name it. */
const whatOf = ({ ours, than, of }) =>
  `${ours}${than === undefined ? '' : `/${than}`}${of === undefined ? '' : ` (${of})`}`;

/**
 * What speaks against the rows, as lines: each target that is missed or was not measured. A target with a bound is
 * held to that bound instead: `{ row, ours, than, atMost, reason }`, in bounds.json.
 */
export function failures(rows, bounds) {
  const missed = [];
  for (const { name, ratios } of rows) {
    for (const goal of ratios) {
      const { atMost, ratio } = goal;
      const bound = bounds.find(isBound(name, goal));
      const limit = Math.max(atMost, bound?.atMost ?? 0);
      if (ratio === null) missed.push(`${name}: ${whatOf(goal)} was not measured`);
      else if (!(ratio <= limit))
        missed.push(`${name}: ${whatOf(goal)} is ${ratio.toFixed(2)}, not ${limit}`);
    }
  }
  return missed;
}

/** What is wrong with the bounds themselves, as lines: no reason, tighter than the target, or of no target at all. */
export function wrongBounds(bounds, workloads) {
  return bounds.flatMap((bound) => {
    const said = `the bound of ${bound.row}, ${whatOf(bound)},`;
    if (typeof bound.reason !== 'string' || bound.reason.trim() === '') return [`${said} has no reason`];
    const goal = workloads
      .flatMap((workload) =>
        measuresOf(workload).flatMap(({ measure, targets }) =>
          targets.map((target) => ({ ...target, row: rowName(workload.name, measure) })),
        ),
      )
      .find((target) => isBound(target.row, target)(bound));
    if (goal === undefined) return [`${said} is of no target`];
    return bound.atMost > goal.atMost ? [] : [`${said} is not above the target`];
  });
}

const WIDTH = 46;
const columnOf = (name) => Math.max(name.length, 7) + 2;

export function header(contenders) {
  return `${'workload'.padEnd(WIDTH)}${contenders.map(({ name }) => name.padStart(columnOf(name))).join('')}  ratio (target)\n`;
}

export function line({ name, unit, medians, ratios }, contenders, bounds) {
  const cells = contenders.map((contender) => {
    const value = medians[contender.name];
    return (value === undefined ? '-' : value.toFixed(value < 100 ? 3 : 0)).padStart(
      columnOf(contender.name),
    );
  });
  const goals = ratios
    .filter(({ ratio }) => ratio !== null)
    .map((goal) => `${goal.ratio.toFixed(2)} ${whatOf(goal)} (${goal.atMost}${verdict(name, goal, bounds)})`);
  return `${`${name}, ${unit}`.padEnd(WIDTH)}${cells.join('')}  ${goals.join('; ')}\n`;
}

function verdict(name, goal, bounds) {
  if (goal.ratio <= goal.atMost) return '';
  const bound = bounds.find(isBound(name, goal));
  return bound !== undefined && goal.ratio <= bound.atMost ? `, bound ${bound.atMost}` : ' MISSED';
}
