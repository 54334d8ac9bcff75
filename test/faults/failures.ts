// Lets calls of an operation fail and looks at the tree: as it was, seen at once and by the next mount, no space
// held, no descriptor lost; and then the operation works.

import { isDeepStrictEqual } from 'node:util';
import { EDQUOT, EIO, EMFILE, ENOSPC } from '../../fs/errno.js';
import { errnoOf } from '../suites/paths.js';
import { difference } from './difference.js';
import { arm, bury, type Call, disarm, openDescriptors, type Verdict } from './libc.js';
import type { Operation } from './operations.js';
import { type Opened, type Places, prepared, shown } from './places.js';

/** One way in which calls of an operation fail. */
export interface Way {
  readonly name: string;
  readonly errno: number;
  /** What is to be seen: `change` before the last step, `read` perhaps after it, too late to take it back. */
  readonly kind: Call['kind'];
  readonly judge: (call: Call) => Verdict;
}

/** What a call of a kind may fail with. */
const ERRNOS: Readonly<Record<Call['kind'], readonly number[]>> = {
  change: [ENOSPC, EDQUOT, EIO],
  open: [EMFILE, EIO],
  read: [EIO],
};

/** The call fails, all others succeed: with each of its errnos, or with one of them. */
export function failsOnce({ at, kind }: Call, each: boolean): Way[] {
  const errnos = ERRNOS[kind];
  const chosen = each ? errnos : [errnos[at % errnos.length] as number];
  return chosen.map((errno) => ({
    name: `call ${at} fails with ${errno}`,
    errno,
    kind,
    judge: (call) => (call.at === at ? errno : undefined),
  }));
}

/** From this call on the disk is full; of what the call itself is to write, half fits. */
export function fillsUp({ at, kind, length }: Call): Way[] {
  if (kind !== 'change') return [];
  const takesSpace = (call: Call) =>
    call.kind === 'change' && !/^(unlinkat|ftruncate|utimensat)$/.test(call.name);
  return [
    {
      name: `the disk is full from call ${at} on`,
      errno: ENOSPC,
      kind,
      judge: (call) => {
        if (call.at < at || !takesSpace(call)) return undefined;
        return call.at === at && length > 1 ? 'short' : ENOSPC;
      },
    },
  ];
}

interface Tried {
  readonly errno: number;
  readonly calls: readonly Call[];
}

function attempt(
  operation: Operation,
  { paths, union }: Opened,
  judge: (call: Call) => Verdict = () => undefined,
): Tried {
  arm(judge);
  let errno: number;
  let calls: readonly Call[];
  try {
    errno = errnoOf(() => operation.act(paths, union));
  } finally {
    calls = disarm();
  }
  return { errno, calls };
}

/** What goes wrong when the operation's calls fail in the ways that `ways` makes of each; nothing, that is. */
export function problemsOf(places: Places, operation: Operation, ways: (call: Call) => Way[]): string[] {
  const upper = places.fresh();
  const opened = prepared(operation, upper);
  shown(opened.paths);
  const { errno, calls } = attempt(operation, opened);
  const after = shown(opened.paths);
  opened.union.destroy();
  upper.remove();
  if (errno !== 0 || calls.length === 0) return [`without a failure: ${errno}, ${calls.length} calls`];
  return calls.flatMap(ways).flatMap((way) => problemsWith(places, operation, after, way));
}

function problemsWith(places: Places, operation: Operation, after: string[], way: Way): string[] {
  const problems: string[] = [];
  const upper = places.fresh();
  const first = prepared(operation, upper);
  const all = { numbers: places.marks === 'user' ? 'markable' : 'all', folderTimes: true } as const;
  const before = shown(first.paths, all);
  const tried = attempt(operation, first, way.judge);
  const expectSame = (what: string, is: unknown, wanted: unknown) => {
    if (isDeepStrictEqual(is, wanted)) return;
    const names = tried.calls.map(({ name }) => name).join(' ');
    problems.push(`${way.name}: ${what}: ${difference(is, wanted)}\n  (${names})`);
  };
  const done = tried.errno === 0 || (way.kind === 'read' && isDeepStrictEqual(shown(first.paths), after));
  const expectTree = (when: string, { paths }: Opened) => {
    if (done) expectSame(when, shown(paths), after);
    else expectSame(when, shown(paths, all), before);
  };
  if (tried.errno !== 0) expectSame('errno', tried.errno, way.errno);
  expectTree('seen at once', first);
  if (!done) expectSame('work folder', upper.rubbish(), []);
  first.union.destroy();
  expectSame('descriptors left open', openDescriptors(), 0);
  bury(() => undefined);
  const next = upper.open();
  expectTree('mounted again', next);
  if (!done) {
    const again = errnoOf(() => operation.act(next.paths, next.union));
    expectSame('tried again', again, 0);
    expectSame('tried again', shown(next.paths), after);
  }
  next.union.destroy();
  upper.remove();
  return problems;
}
