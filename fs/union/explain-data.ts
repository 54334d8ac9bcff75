// Where the bytes of a file come from that has its attributes in one layer and data in another: all of them from below,
// or those that were not written yet. Read from the marks and the sidecar, as who opens the file does it (in-part.ts).

import { OwnBlocks } from './own-blocks.js';
import type { Shown } from './shown-object.js';
import type { Stack } from './stack.js';

export interface ExplainedRange {
  /** Bytes from the start of the file; `to` is not part of it. */
  readonly from: number;
  readonly to: number;
  /** The layer that these bytes are in. */
  readonly layer: string;
}

export interface ExplainedData {
  /** How many bytes of the file lie in its topmost object. */
  readonly ownBytes: number;
  /** In how many of the ranges those are. */
  readonly ownRanges: number;
  /** In order and without gaps, the first RANGES_TOLD of them. */
  readonly ranges: readonly ExplainedRange[];
  /** How many ranges there are beyond those; absent: none. */
  readonly moreRanges?: number;
}

const RANGES_TOLD = 256;

/** Of a file whose topmost object, in the layer `top`, has the mark `metacopy`. */
export function explainData(stack: Stack, shown: Shown, top: string): ExplainedData | undefined {
  const { entry, data, inUpper } = shown;
  const { size } = entry.attr;
  if (data === undefined || size === 0) return undefined;
  const below = data.layer.id;
  if (entry.ranges === undefined) {
    return { ownBytes: 0, ownRanges: 0, ranges: [{ from: 0, to: size, layer: below }] };
  }
  // What a lower that was not settled has of its own is not known here.
  const own = inUpper ? ownBlocks(stack, shown) : undefined;
  return own && rangesOf(own, size, top, below);
}

/** As it is stored; undefined where the sidecar is missing. */
function ownBlocks({ upper }: Stack, { entry, open }: Shown): OwnBlocks | undefined {
  if (upper === undefined || entry.ranges === undefined) return undefined;
  const sidecar = upper.openRanges(entry.ranges.key);
  if (sidecar === undefined) return undefined;
  try {
    const object = open();
    try {
      const own = new OwnBlocks(entry.ranges);
      own.load(sidecar, upper.epoch, object, entry.attr.size);
      return own;
    } finally {
      object.close();
    }
  } finally {
    sidecar.close();
  }
}

function rangesOf(own: OwnBlocks, size: number, top: string, below: string): ExplainedData {
  const ranges: ExplainedRange[] = [];
  let ownBytes = 0;
  let ownRanges = 0;
  let count = 0;
  for (let from = 0; from < size; count++) {
    const isOwn = !isBelow(own, from);
    let to = from < own.lowerEnd ? own.runEnd(from) : size;
    // Beyond what shows of the file below everything is its own, without a bit.
    if (isOwn && to === own.lowerEnd) to = size;
    if (isOwn) {
      ownBytes += to - from;
      ownRanges++;
    }
    if (count < RANGES_TOLD) ranges.push({ from, to, layer: isOwn ? top : below });
    from = to;
  }
  return { ownBytes, ownRanges, ranges, ...(count > RANGES_TOLD && { moreRanges: count - RANGES_TOLD }) };
}

function isBelow(own: OwnBlocks, offset: number): boolean {
  return offset < own.lowerEnd && own.nextBelow(offset) === offset;
}
