// The workloads: each runs one ordinary command on a fresh mount, times that command alone, and checks its result.
// `run({ mountPoint, merged, upper, fixtures })` returns seconds (or what `unit` says) and throws if what it saw is not
// what the layers hold. `targets` are ratios of medians: `ours` takes at most `atMost` times as long as `than`;
// without `than`, `atMost` is a value. `not` names kinds of contenders that cannot do it.
import { BIG_FILES } from './big-files.mjs';
import { CHANGES } from './changes.mjs';
import { READING } from './reading.mjs';

export const WORKLOADS = [...READING, ...CHANGES, ...BIG_FILES];
