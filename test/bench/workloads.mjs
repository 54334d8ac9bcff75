// The workloads: each runs one ordinary command on a fresh mount, measures that command alone, and checks its result.
//
// `run(place)` throws if what it saw is not what the layers hold, and otherwise answers with its values by measure
// (`seconds` and others; a measure that is undefined was not to be had there). Of `place`:
//   mountPoint, upper         the mount, and the folder that takes its changes (none under a view)
//   merged                    content by path, as the mount has to show it
//   sizes, tar, files         of the fixture (fixture.mjs)
//   mica, state, mountSeconds our program and its state folder, and how long the command took that made the mount
//   contender                 whose turn it is; of workloads without a fixture, which make what they need themselves
//   requests(), memory()      of the mount's server so far; absent for an ordinary user's mounts and for the kernel's
// `unpacks` says that it needs the tar archive, `upperOnDisk` that a tmpfs will not do for its changes.
// `caches` says which caches are dropped before it runs, or that the lowers are `read` into them. `measures` has the
// targets of each measure: `ours` takes at most `atMost` times as much as `than` (in the workload `of`, if it names
// one); without `than`, `atMost` is a value.
// `not` names kinds of contenders that cannot do it, `only` those that are to.
import { BIG_FILES } from './big-files.mjs';
import { CHANGES } from './changes.mjs';
import { IMPORTING } from './importing.mjs';
import { LATENCY } from './latency.mjs';
import { READING } from './reading.mjs';
import { ROUND_TRIP } from './round-trip.mjs';
import { SERIES } from './series.mjs';
import { START } from './start.mjs';
import { STORING } from './storing.mjs';
import { measuresOf } from './table.mjs';
import { TRACING } from './tracing.mjs';

export const WORKLOADS = [
  ...ROUND_TRIP,
  ...READING,
  ...CHANGES,
  ...BIG_FILES,
  ...LATENCY,
  ...IMPORTING,
  ...STORING,
  ...START,
  ...TRACING,
  ...SERIES,
];

const targetsOf = (workload) => measuresOf(workload).flatMap(({ targets }) => targets);

/** Those whose name contains a word, and what they are compared with; without words all but the series. */
export function chosenBy(words) {
  const asked = WORKLOADS.filter(({ name, series }) =>
    words.length === 0 ? series === undefined : words.some((word) => name.includes(word)),
  );
  const others = asked.flatMap(targetsOf).map(({ of }) => of);
  return WORKLOADS.filter((workload) => asked.includes(workload) || others.includes(workload.name));
}

/** The workloads in groups of those that are compared with each other, which are run in turn. */
export function comparedGroups(workloads) {
  const groups = [];
  for (const workload of workloads) {
    const others = targetsOf(workload).map(({ of }) => of);
    const group = groups.find((one) => one.some(({ name }) => others.includes(name)));
    if (group === undefined) groups.push([workload]);
    else group.push(workload);
  }
  return groups;
}

/** Who is held to a target of this workload, or is what others of its group are held to; undefined: nobody is. */
export function heldNames(workload, group) {
  const names = group.flatMap((one) =>
    targetsOf(one).flatMap(({ ours, than, of }) => [
      ...(one === workload ? [ours] : []),
      ...((of ?? one.name) === workload.name ? [than] : []),
    ]),
  );
  return names.length === 0 ? undefined : new Set(names);
}
