// What `mounts` answers to a caller outside this program, and the stack that this program's own drivers take: two
// views of one chain of folders. Outside callers get binds where a bind shows the same tree, since every engine
// can do those, and fstab words of the driver otherwise.

import {
  ID_COUNT,
  type LowerDescription,
  type Numbering,
  type SnapshotFacts,
  type StackDescription,
} from '../../fs/index.js';
import { escapeOption, type FeatureSet, overlayWords, planOverlay } from '../../native-fallback/index.js';
import type { SnapshotRow } from '../metadata/rows.js';
import { driverNamed } from '../mounts/drivers.js';
import { quotaText } from '../mounts/quota-words.js';
import type { Driver, Mount } from './snapshot.js';

/** A snapshot with the chain below it, nearest parent first. */
export interface Chain {
  readonly row: SnapshotRow;
  readonly parents: readonly SnapshotRow[];
}

/** Where a snapshot's folders lie. */
export interface Place {
  fs(id: string): string;
  work(id: string): string;
}

export interface MountWords {
  readonly driver: Driver;
  readonly features: FeatureSet;
  /** `unsaid` where the kernel follows redirects by itself. */
  readonly redirects: 'follow' | 'unsaid';
  /** Absolute path of mica-overlayfs: what `fuse3.<helper>` runs. */
  readonly helper: string;
  /** Where that program is to note its mount down; whoever starts it may have another environment than we. */
  readonly state: string;
  /** A bind shows the same tree, and the caller of `mounts` may make one. */
  readonly bind: boolean;
}

/** What the index of a committed snapshot says of it; `below` is its parent. */
export function factsOf({ id, name, form }: SnapshotRow, below: SnapshotRow | undefined): SnapshotFacts {
  return { id, ...(below === undefined ? {} : { parent: below.id }), name, form };
}

const FIRST_NAMESPACE: Numbering = {
  uids: [{ first: 0, outside: 0, count: ID_COUNT }],
  gids: [{ first: 0, outside: 0, count: ID_COUNT }],
};

/** What the owners in the folder of a snapshot mean. */
export function numberingOf({ numbering }: SnapshotRow): Numbering {
  return numbering ?? FIRST_NAMESPACE;
}

/** The folders of a chain as a stack for `fs`. A whole tree has no lowers: nothing below may show through. */
export function stackOf({ row, parents }: Chain, place: Place): StackDescription {
  const layer = (of: SnapshotRow, below?: SnapshotRow): LowerDescription => ({
    path: place.fs(of.id),
    id: of.id,
    dialect: of.dialect,
    marks: of.marks,
    numbering: numberingOf(of),
    ...(of.kind === 'committed' && of.form === 'diff' ? { facts: factsOf(of, below) } : {}),
  });
  if (row.form === 'full') {
    // A view copies nothing: it shows its parent's tree.
    const shown = row.kind === 'view' ? (parents[0] ?? row) : row;
    return row.kind === 'active'
      ? { lowers: [], upper: withWork(row, layer(row), place) }
      : { lowers: [layer(shown)] };
  }
  const lowers = parents.map((parent, i) => layer(parent, parents[i + 1]));
  if (row.kind === 'active') return { lowers, upper: withWork(row, layer(row), place) };
  if (row.kind === 'view') return { lowers: lowers.length > 0 ? lowers : [layer(row)] };
  return { lowers: [layer(row, parents[0]), ...lowers] };
}

function withWork(row: SnapshotRow, layer: LowerDescription, place: Place) {
  const { marks, quota } = row;
  return { ...layer, marks, work: place.work(row.id), ...(quota === undefined ? {} : { quota }) };
}

/** The helper understands marks of either kind, whatever the kernel's overlayfs does. */
const HELPER_FEATURES: FeatureSet = new Set(['userxattr'] as const);

/** What to mount for an active snapshot or a view. */
export function mountsOf(chain: Chain, place: Place, words: MountWords): readonly Mount[] {
  const stack = stackOf(chain, place);
  const layers = stack.upper === undefined ? stack.lowers : [stack.upper, ...stack.lowers];
  const only = layers.length === 1 ? layers[0] : undefined;
  const isCounted = stack.upper?.quota !== undefined;
  if (only !== undefined && !isCounted && (words.bind || words.driver !== 'fuse')) {
    return [{ type: 'bind', source: only.path, options: [stack.upper ? 'rw' : 'ro', 'rbind'] }];
  }
  if (only !== undefined) {
    return [{ type: `fuse3.${words.helper}`, source: 'overlay', options: aloneWords(stack, words) }];
  }
  const others = driverNamed(words.driver).mounts?.(stack);
  if (others !== undefined) return others;
  const type = words.driver === 'fuse' ? `fuse3.${words.helper}` : 'overlay';
  const features = words.driver === 'fuse' ? HELPER_FEATURES : words.features;
  const plan = planOverlay(stack, features, { redirects: words.redirects });
  if (plan.kind !== 'overlay') throw new Error('a stack of several layers was planned as a bind');
  // The helper takes any folder for a layer as a tar tool left it (`.wh.` files) unless told.
  const options = [
    ...(words.driver === 'fuse' ? [dialectWord(layers), stateWord(words), ...quotaWords(stack)] : []),
    ...overlayWords(plan),
  ];
  return [{ type, source: 'overlay', options: stack.upper === undefined ? ['ro', ...options] : options }];
}

function dialectWord(layers: readonly LowerDescription[]): string {
  return `dialect=${layers.some((layer) => layer.dialect === 'wh') ? 'wh' : 'overlay'}`;
}

function stateWord({ state }: MountWords): string {
  return `state=${escapeOption(state, false)}`;
}

function quotaWords({ upper }: StackDescription): readonly string[] {
  return upper?.quota === undefined ? [] : [`quota=${quotaText(upper.quota)}`];
}

/** The helper takes one folder, too: as the upper, or as the only lower. */
function aloneWords(stack: StackDescription, words: MountWords): readonly string[] {
  const { upper, lowers } = stack;
  const dialect = dialectWord(upper === undefined ? lowers : [upper]);
  if (upper === undefined) {
    return [
      'ro',
      dialect,
      stateWord(words),
      ...lowers.map((lower) => `lowerdir=${escapeOption(lower.path, true)}`),
    ];
  }
  return [
    dialect,
    stateWord(words),
    ...quotaWords(stack),
    `workdir=${escapeOption(upper.work, false)}`,
    `upperdir=${escapeOption(upper.path, false)}`,
  ];
}
