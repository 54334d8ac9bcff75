// `mica trace`: what happens in a mount while it happens, a line an event, until Ctrl-C or the end of the mount. The
// server watches only as long as somebody traces.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { EVENT_NAMES, fromText } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { type EventFilter, isWantedBy, needsRequests } from '../mounts/event-filter.js';
import { follow, whileThere } from '../mounts/follow.js';
import { assertServed, withServer } from '../mounts/settle.js';
import { Summary } from '../mounts/summary.js';
import { type ListedMount, MountTable } from '../mounts/table.js';
import type { Declare } from './commands.js';
import type { Context } from './context.js';
import { FollowedNames, namesOfMount } from './layer-names.js';
import { mountAt } from './mounted.js';
import { stepBack } from './step-back.js';
import { TraceLines } from './trace-lines.js';
import { summaryJson, summaryText } from './trace-summary.js';
import { normalPath } from './words.js';

/** Between two looks at whether a mount has ended. */
const POLL_MS = 10;
/** Lines that are written at once. */
const MOST_LINES = 500;
/** For how long the server may let a question for a sum wait. */
const SUMMING_MS = 2000;
/** The longest that a timer of Node can wait. */
const LONGEST_MS = 2 ** 31 - 1;
/** How long what was traced may be read after a signal. */
const READING_MS = 2000;

interface Words {
  readonly only?: string;
  readonly under?: string;
  readonly failed?: boolean;
  readonly slower?: string;
  readonly count?: string;
  readonly for?: string;
  readonly past?: boolean;
  readonly summary?: boolean;
}

export const declareTrace: Declare = (command, act) => {
  command
    .argument('<dir>', 'a mount, or a folder in it')
    .option(
      '--only <names>',
      'kinds (copy-up,whiteout,...) and operations (lookup,write,...), separated by commas',
    )
    .option('--under <path>', 'what is in this folder of the mount, or this file')
    .option('--failed', 'requests that failed')
    .option('--slower <ms>', 'requests that took longer')
    .option('--past', 'begin with what the mount has kept of the past')
    .option('--count <n>', 'end after so many events')
    .option('--for <seconds>', 'end after so long')
    .option('--summary', 'no events: counts, times and bytes of them, at the end')
    .action(
      act(async (context, dir: string, words: Words) => {
        assertNames(words);
        const { mount, rest } = mountMeant(context, dir);
        stepBack();
        const filter = filterOf(words, rest);
        const how =
          words.summary === true
            ? await summed(context, mount, words, filter)
            : await told(context, mount, words, filter);
        if (how === 'server-gone') await assertUnmounted(context, mount);
        if (how === 'signal') endSoon(context);
      }),
    );
};

/** not-found where there is no mount. */
function mountMeant(context: Context, dir: string): { readonly mount: ListedMount; readonly rest: string } {
  const found = mountAt(context, dir);
  if (found !== undefined) return found;
  throw new StoreError('not-found', `cannot trace ${dir}`, 'it is not in a mount of this program', {
    hint: 'mica mounts',
  });
}

type End = 'signal' | 'enough' | 'server-gone';

/** Acts until a signal, `--for` or `enough` ends it, or by itself where the server is gone; returns what ended it. */
async function untilEnd(
  context: Context,
  words: Words,
  act: (signal: AbortSignal, enough: () => void) => Promise<void>,
): Promise<End> {
  const seconds = numberOf('--for', words.for);
  const end = new AbortController();
  let how: End = 'server-gone';
  const endBy = (why: End) => () => {
    how = why;
    end.abort();
  };
  const [onSignal, onEnough] = [endBy('signal'), endBy('enough')];
  // Ctrl-C is how a trace ends, so it is no failure.
  context.takeSignals(true);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  context.signal.addEventListener('abort', onEnough);
  const timer =
    seconds === undefined ? undefined : setTimeout(onEnough, Math.min(seconds * 1000, LONGEST_MS));
  try {
    await act(end.signal, onEnough);
    return how;
  } finally {
    clearTimeout(timer);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, onSignal);
    context.takeSignals(false);
  }
}

/** Prints the events of a mount as they come. */
function told(context: Context, mount: ListedMount, words: Words, filter: EventFilter): Promise<End> {
  const count = numberOf('--count', words.count) ?? Number.POSITIVE_INFINITY;
  const isWanted = isWantedBy(filter);
  return untilEnd(context, words, (signal, enough) =>
    withServer(mount, async (server) => {
      const names = new FollowedNames(server, (stack) => namesOfMount(context, mount, stack));
      // The mount may be over when its last events are told.
      await names.learnAll();
      const lines = new TraceLines();
      let taken = 0;
      let isUnderWay = words.past !== true;
      const options = {
        requests: needsRequests(filter),
        signal,
        isAlone: true,
        // Else what a reader who has stopped does not take would be kept here, without end.
        canTake: () => !process.stdout.writableNeedDrain,
        ...(words.past === true && { since: 0 }),
      };
      for await (const { cursor, lost } of follow(server, options)) {
        // What nobody has kept of the past is not lost by this trace.
        if (lost > 0 && isUnderWay && !context.output.json) context.output.note(`${lost} events were lost`);
        isUnderWay = true;
        const batch: string[] = [];
        while (taken < count && cursor.next()) {
          if (names.lacks(cursor)) await names.learn(cursor);
          if (!isWanted(cursor)) continue;
          taken++;
          if (context.output.json) batch.push(lines.json(cursor, names.called));
          else if (context.output.quiet) context.output.nameLine('', cursor.path);
          else batch.push(lines.text(cursor, names.called));
          if (batch.length === MOST_LINES) context.output.lines(batch.splice(0));
        }
        context.output.lines(batch);
        if (taken >= count) enough();
      }
    }),
  );
}

/** Prints what the events of a mount add up to, at the end. */
async function summed(context: Context, mount: ListedMount, words: Words, filter: EventFilter): Promise<End> {
  const atMost = numberOf('--count', words.count);
  const asked = {
    op: 'sum',
    id: randomUUID(),
    filter,
    past: words.past === true,
    waitMs: SUMMING_MS,
    ...(atMost !== undefined && { atMost }),
  } as const;
  let summary = new Summary().json();
  const how = await untilEnd(context, words, async (signal, enough) => {
    await withServer(mount, async (server) => {
      // Nobody waits on for an answer then.
      signal.addEventListener('abort', () => server.close());
      while (!signal.aborted) {
        const sum = await whileThere(server.ask({ ...asked, ends: false }));
        if (sum === undefined) return;
        summary = sum;
        if (atMost !== undefined && sum.events >= atMost) enough();
      }
    });
    if (!signal.aborted) return;
    const last = withServer(mount, (server) => server.ask({ ...asked, ends: true }));
    summary = (await whileThere(last)) ?? summary;
  });
  if (context.output.json) context.output.document(summaryJson(summary));
  else context.output.line(summaryText(summary));
  return how;
}

/** Who ends a trace does not wait for a reader who has stopped; one who is at work has the rest in that time. */
function endSoon({ output }: Context): void {
  const leave = (): void => {
    output.note('not all was read of what was traced');
    process.exit();
  };
  // Does not keep the process: without anything left to be read it ends by itself.
  setTimeout(leave, READING_MS).unref();
}

/** The server is gone: waits for its mount to be so, too; failed-precondition where it has died and left that behind. */
async function assertUnmounted({ settings, signal }: Context, { target, since }: ListedMount): Promise<void> {
  const table = new MountTable(settings.state);
  const noted = () => table.list().find((row) => row.target === target && row.since === since);
  for (let mount = noted(); mount !== undefined; mount = noted()) {
    assertServed(mount);
    await sleep(POLL_MS, undefined, { signal });
  }
}

/** invalid-argument for a name that no event has, and for none: nothing would ever come. */
function assertNames({ only }: Words): void {
  if (only === undefined) return;
  const names = namesIn(only);
  const unknown = names.find((name) => !EVENT_NAMES.includes(name));
  if (names.length > 0 && unknown === undefined) return;
  const why = unknown === undefined ? 'it names no event' : `no event is called ${unknown}`;
  throw new StoreError('invalid-argument', `cannot use --only ${only}`, why, {
    hint: EVENT_NAMES.join(', '),
  });
}

function namesIn(text: string): readonly string[] {
  return text.split(',').filter((name) => name !== '');
}

function filterOf({ only, under, failed, slower }: Words, rest: string): EventFilter {
  const folder = [fromText(rest), under === undefined ? '' : normalPath(under)].filter((part) => part !== '');
  const slowMs = numberOf('--slower', slower);
  return {
    ...(only !== undefined && { only: namesIn(only) }),
    under: folder.join('/'),
    failed: failed === true,
    ...(slowMs !== undefined && { slowerNs: slowMs * 1e6 }),
  };
}

function numberOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (text.trim() === '' || !Number.isFinite(number) || number < 0) {
    throw new StoreError(
      'invalid-argument',
      `cannot use ${option} ${text}`,
      number < 0 ? 'it is below 0' : 'it is no number',
    );
  }
  return number;
}
