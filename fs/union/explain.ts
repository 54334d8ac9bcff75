// Why a path of the union is what it is: what each layer holds there, from the top, and what a change would do.
// It is the resolution of lookup.ts, watched: nothing is decided here a second time, and nothing is changed.

import type { LayerEntry, ReadLayer } from '../layer/layer.js';
import { type FileKind, isFolder, kindOf } from '../mode.js';
import type { ByteString } from '../name.js';
import { mayLeaveBelow } from './data-below.js';
import { isWorthIt } from './in-part.js';
import type { Inode } from './inode.js';
import { intern } from './intern.js';
import { type Found, findData, LOWER, lowerHas, resolve, UPPER } from './lookup.js';
import { BLOCK } from './own-blocks.js';
import type { Stack } from './stack.js';

/** `metadata`: a file's attributes alone; the `file` further down has its data. `part`: the same, and some of the data. */
export type LayerFinding =
  | 'file'
  | 'metadata'
  | 'part'
  | 'folder'
  | 'opaque'
  | 'whiteout'
  | 'redirect'
  | 'nothing'
  | 'not-looked';

export interface ExplainedLayer {
  readonly id: string;
  readonly role: 'upper' | 'lower';
  readonly finding: LayerFinding;
}

export interface Explanation {
  readonly path: ByteString;
  readonly kind?: FileKind;
  /** The layer that wins; 'absent' if the path does not exist. */
  readonly result: { readonly layer: string } | 'absent';
  /** From the top. */
  readonly layers: readonly ExplainedLayer[];
  /** One sentence. */
  readonly why: string;
  /** What a first write would copy; absent where nothing could be written. */
  readonly onWrite?: { readonly copiesBytes: number };
  /** One sentence; absent where nothing could be deleted. */
  readonly onDelete?: string;
}

/** `path` has no leading slash; '' is the root. A symlink is not followed, also not on the way. */
export function explain(stack: Stack, path: ByteString, root: Inode): Explanation {
  const names = path === '' ? [] : path.split('/');
  let findings = rootFindings(stack, root);
  let parent = root;
  const walked: Inode[] = [];
  try {
    for (const [i, name] of names.entries()) {
      const { found } = stack;
      findings = findName(stack, parent, name, findings);
      const last = i === names.length - 1;
      if (last || !found.exists || !found.isFolder) {
        return describeEnd(stack, { path, parent, name, last, layers: named(stack, findings), found });
      }
      parent = intern(stack, parent, name, found);
      parent.pins++;
      walked.push(parent);
    }
    return describeRoot(stack, named(stack, findings));
  } finally {
    for (const inode of walked.reverse()) stack.table.unpin(inode);
  }
}

/** One finding a layer, from the top; the upper, if there is one, comes first. */
type Findings = LayerFinding[];

function rootFindings(stack: Stack, root: Inode): Findings {
  const findings: Findings = stack.lowers.map((_, depth) =>
    root.folders.some((folder) => folder.depth === depth) ? 'folder' : 'not-looked',
  );
  if (stack.upper !== undefined) findings.unshift('folder');
  return findings;
}

/** Resolves one name into `stack.found`; what was not looked at for the folder is not looked at for its names. */
function findName(stack: Stack, parent: Inode, name: ByteString, above: Findings): Findings {
  const findings: Findings = above.map((finding) => (finding === 'not-looked' ? 'not-looked' : 'nothing'));
  const { found } = stack;
  const first = stack.upper === undefined ? 0 : 1;
  found.trace = (depth, entry) => {
    findings[first + depth] = findingOf(entry);
  };
  try {
    resolve(stack, parent, name, found);
    if (found.exists && found.entry.metacopy) findData(stack, parent, name, found);
  } finally {
    found.trace = undefined;
  }
  if (
    stack.upper !== undefined &&
    parent.upper &&
    stack.upper.lookup(stack.table.path(parent), name, stack.scratch)
  ) {
    findings[0] = findingOf(stack.scratch);
  }
  const end = findings.findIndex((finding) => ENDING.has(finding));
  return end < 0 ? findings : findings.map((finding, i) => (i > end ? 'not-looked' : finding));
}

const ENDING: ReadonlySet<LayerFinding> = new Set(['file', 'opaque', 'whiteout']);

function findingOf(entry: LayerEntry): LayerFinding {
  if (entry.whiteout) return 'whiteout';
  if (!isFolder(entry.attr.mode))
    return entry.metacopy ? (entry.ranges === undefined ? 'metadata' : 'part') : 'file';
  if (entry.opaque) return 'opaque';
  return entry.redirect === undefined ? 'folder' : 'redirect';
}

function named(stack: Stack, findings: Findings): ExplainedLayer[] {
  const layers: { layer: ReadLayer; role: 'upper' | 'lower' }[] = stack.lowers.map((layer) => ({
    layer,
    role: 'lower',
  }));
  if (stack.upper !== undefined) layers.unshift({ layer: stack.upper, role: 'upper' });
  return layers.map(({ layer, role }, i) => ({ id: layer.id, role, finding: findings[i] ?? 'nothing' }));
}

function describeRoot(stack: Stack, layers: ExplainedLayer[]): Explanation {
  const why = whyFolder(layers);
  const result = { layer: (stack.upper ?? stack.lowers[0]!).id };
  return { path: '', kind: 'folder', result, layers, why };
}

interface End {
  readonly path: ByteString;
  readonly parent: Inode;
  readonly name: ByteString;
  /** The path ends here; otherwise a folder on the way is missing. */
  readonly last: boolean;
  readonly layers: ExplainedLayer[];
  readonly found: Found;
}

function describeEnd(stack: Stack, { path, parent, name, last, layers, found }: End): Explanation {
  const top = layers.find(({ finding }) => finding !== 'nothing' && finding !== 'not-looked');
  if (!last || top === undefined || !found.exists) {
    return { path, result: 'absent', layers, why: whyAbsent(top, last, found) };
  }
  const { attr } = found.entry;
  const kind = kindOf(attr.mode);
  const why = kind === 'folder' ? whyFolder(layers) : whyFile(layers, top, found.data?.layer);
  const explanation = { path, kind, result: { layer: top.id }, layers, why };
  if (stack.readOnly) return explanation;
  const { where } = found;
  const links = attr.nlink;
  // Before the lowers are asked for anything else.
  const copiesBytes = copiedOnWrite(stack, found);
  const onDelete = whatDeleteDoes(
    where === UPPER && !lowerHas(stack, parent, name),
    kind,
    where === LOWER && links > 1,
  );
  if (kind !== 'file') return { ...explanation, onDelete };
  return {
    ...explanation,
    onWrite: { copiesBytes },
    onDelete,
  };
}

/** Of a large file a first write copies one block at most (in-part.ts). */
function copiedOnWrite(stack: Stack, { where, entry, below, data }: Found): number {
  if (where !== LOWER && !entry.metacopy) return 0;
  const { size, blocks } = entry.attr;
  if (where === UPPER && entry.ranges !== undefined) return Math.min(size, BLOCK);
  const inLower = entry.metacopy && data !== undefined ? below.attr.blocks : blocks;
  return isWorthIt(stack, size, inLower, size) && mayLeaveBelow(stack, entry.attr, false) ? BLOCK : size;
}

function whyAbsent(top: ExplainedLayer | undefined, last: boolean, found: Found): string {
  if (!last && found.exists) return 'A name on the way is no folder.';
  const what = last ? 'it' : 'a folder on the way';
  if (top?.finding === 'whiteout')
    return `Layer ${top.id} has a whiteout, which hides ${what} in every layer below.`;
  return last ? 'No layer that is looked at has it.' : 'No layer that is looked at has a folder on the way.';
}

/** `data`: the layer that has the data of a file whose topmost object has none. */
function whyFile(layers: ExplainedLayer[], top: ExplainedLayer, data: ReadLayer | undefined): string {
  if (top.finding === 'metadata' || top.finding === 'part') {
    const where = data === undefined ? 'which no layer has' : `which is in layer ${data.id}`;
    const what = top.finding === 'part' ? 'what was written of its data, and not the rest' : 'not its data';
    return `Layer ${top.id} has its attributes and ${what}, ${where}.`;
  }
  const below = layers.at(-1) !== layers.find(({ id }) => id === top.id);
  const has = `Layer ${top.id} is the topmost that has it`;
  return below ? `${has}, and a file hides whatever the layers below have.` : `${has}.`;
}

function whyFolder(layers: ExplainedLayer[]): string {
  const parts = layers.filter(({ finding }) => ['folder', 'opaque', 'redirect'].includes(finding));
  const ids = parts.map(({ id }) => id).join(', ');
  const merged =
    parts.length === 1
      ? `Only layer ${ids} has this folder`
      : `The folders of layers ${ids} are shown as one`;
  const last = parts.at(-1);
  if (last?.finding === 'opaque')
    return `${merged}; in ${last.id} it is opaque, so nothing below is looked at.`;
  const moved = parts.find(({ finding }) => finding === 'redirect');
  return moved === undefined
    ? `${merged}.`
    : `${merged}; a redirect in ${moved.id} says where it lies below.`;
}

function whatDeleteDoes(nothingBelow: boolean, kind: FileKind, counted: boolean): string {
  const empty = kind === 'folder' ? 'Once it is empty, ' : '';
  const copied = counted ? 'It is copied up first, to keep the count of its other names; ' : '';
  const result = nothingBelow
    ? 'it is removed from the upper, and nothing stays.'
    : 'a whiteout in the upper hides it; nothing is removed below.';
  const sentence = `${empty}${copied}${result}`;
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}
