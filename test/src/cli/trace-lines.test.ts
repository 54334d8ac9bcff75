import { expect, test } from 'vitest';
import { fromText } from '../../../fs/index.js';
import { TraceLines } from '../../../src/cli/trace-lines.js';
import { timeOfNs } from '../../../src/time.js';

const CALLED = new Map([['sha256:1', 'my "upper"']]);
const first = 1_790_000_000_000_000_000;
/** The last double of its second. */
const second = first + 999_999_744;

const EVENTS = [
  { seq: 1, timeNs: first, kind: 'request', operation: 'lookup', path: '', durationNs: 26_400 },
  {
    seq: 2,
    timeNs: second,
    kind: 'request',
    operation: 'write',
    path: fromText('é "x"\n'),
    bytes: 9,
    errno: 28,
  },
  {
    seq: 3,
    timeNs: first,
    kind: 'copy-up',
    path: 'd/f',
    layer: 'sha256:1',
    bytesCopied: 7,
    bytesSaved: 2048,
  },
  { seq: 4, timeNs: first, kind: 'merge', path: 'd/f', parts: 3 },
  { seq: 5, timeNs: first, kind: 'whiteout', path: 'd/\xff', layer: 'other' },
] as const;

test('a line of text says what there is to say', () => {
  const lines = new TraceLines();
  expect(EVENTS.map((event) => lines.text(event, CALLED))).toEqual([
    '14:13:20.000000  lookup       .  26 us',
    '14:13:20.999999  write        $\'\\xc3\\xa9 "x"\\n\'  ENOSPC, 9 B',
    '14:13:20.000000  copy-up      d/f  7 B copied, 2.0 KiB saved, in my "upper"',
    '14:13:20.000000  merge        d/f  3 folders as one',
    "14:13:20.000000  whiteout     $'d/\\xff'  in other",
  ]);
});

test('a line of JSON is an object with all of it, whatever was told before', () => {
  const lines = new TraceLines();
  const told = EVENTS.map((event) => JSON.parse(lines.json(event, CALLED)) as object);
  const time = timeOfNs(BigInt(first));
  expect(told).toEqual([
    { seq: 1, kind: 'request', operation: 'lookup', durationNs: 26_400, time, path: '' },
    {
      ...{ seq: 2, kind: 'request', operation: 'write', bytes: 9, time: timeOfNs(BigInt(second)) },
      ...{ path: 'é "x"\n', errno: 28, error: 'ENOSPC' },
    },
    {
      ...{ seq: 3, kind: 'copy-up', bytesCopied: 7, bytesSaved: 2048, time, path: 'd/f' },
      ...{ layer: 'sha256:1', layerName: 'my "upper"' },
    },
    { seq: 4, kind: 'merge', parts: 3, time, path: 'd/f' },
    {
      ...{ seq: 5, kind: 'whiteout', time, path: 'd/\ufffd', pathBase64: 'ZC//' },
      ...{ layer: 'other', layerName: 'other' },
    },
  ]);
});
