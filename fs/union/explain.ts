// Why a path of the union is what it is: what each layer holds there, from the top, and what a change would do.
// It is the resolution of lookup.ts, watched: nothing is decided here a second time, and nothing is changed.

import type { ReadLayer } from '../layer/layer.js';
import { type FileKind, kindOf, PERMISSION_BITS } from '../mode.js';
import { type ByteString, joinPath } from '../name.js';
import { type ExplainedChanges, explainChanges } from './explain-changes.js';
import { type ExplainedData, explainData } from './explain-data.js';
import { whyAbsent, whyFile, whyFolder } from './explain-why.js';
import {
  type ExplainedLayer,
  type LayerFinding,
  type LayerNamer,
  type Seen,
  seenIn,
} from './explained-layer.js';
import type { Inode } from './inode.js';
import { intern } from './intern.js';
import { type Found, findData, resolve } from './lookup.js';
import { type Shown, shownObject } from './shown-object.js';
import type { Stack } from './stack.js';

/** A folder on the way. */
export interface ExplainedFolder {
  readonly path: ByteString;
  /** From the top. */
  readonly layers: readonly ExplainedLayer[];
}

export interface Explanation extends Partial<ExplainedChanges> {
  readonly path: ByteString;
  readonly kind?: FileKind;
  /** The attributes that the union shows; absent for what does not exist. Folders have no size here. */
  readonly shows?: { readonly mode: number; readonly size?: number; readonly nlink?: number };
  /** The layer that wins; 'absent' if the path does not exist. */
  readonly result: { readonly layer: string } | 'absent';
  /** The folders above, from the one in the root on: what each layer held when they were decided. */
  readonly parents: readonly ExplainedFolder[];
  /** From the top. */
  readonly layers: readonly ExplainedLayer[];
  /** One sentence. */
  readonly why: string;
  /** Of a file whose data is not all in the layer that wins: where which of it is. */
  readonly data?: ExplainedData;
}

/**
 * `path` has no leading slash; '' is the root. A symlink is not followed, also not on the way. Sentences call layers as
 * `nameOf` says; everything else has their ids.
 */
export function explain(stack: Stack, path: ByteString, root: Inode, nameOf: LayerNamer): Explanation {
  const names = path === '' ? [] : path.split('/');
  let findings = rootFindings(stack, root);
  let parent = root;
  const walked: Inode[] = [];
  const parents: ExplainedFolder[] = [];
  try {
    for (const [i, name] of names.entries()) {
      const { found } = stack;
      findings = findName(stack, parent, name, findings);
      const last = i === names.length - 1;
      if (last || !found.exists || !found.isFolder) {
        return describeEnd(stack, {
          path,
          parents,
          parent,
          name,
          last,
          layers: named(stack, findings),
          found,
          nameOf,
        });
      }
      parents.push({ path: joinPath(parents.at(-1)?.path ?? '', name), layers: named(stack, findings) });
      parent = intern(stack, parent, name, found);
      parent.pins++;
      walked.push(parent);
    }
    return describeRoot(stack, named(stack, findings), nameOf);
  } finally {
    for (const inode of walked.reverse()) stack.table.unpin(inode);
  }
}

/** One finding a layer, from the top; the upper, if there is one, comes first. */
type Findings = Seen[];

function rootFindings(stack: Stack, root: Inode): Findings {
  const findings: Findings = stack.lowers.map((_, depth) => ({
    finding: root.folders.some((folder) => folder.depth === depth) ? 'folder' : 'not-looked',
  }));
  if (stack.upper !== undefined) findings.unshift({ finding: 'folder' });
  return findings;
}

/** Resolves one name into `stack.found`; what was not looked at for the folder is not looked at for its names. */
function findName(stack: Stack, parent: Inode, name: ByteString, above: Findings): Findings {
  const findings: Findings = above.map(({ finding }) => ({
    finding: finding === 'not-looked' ? 'not-looked' : 'nothing',
  }));
  const { found } = stack;
  const first = stack.upper === undefined ? 0 : 1;
  found.trace = (depth, entry) => {
    findings[first + depth] = seenIn(entry);
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
    findings[0] = seenIn(stack.scratch);
  }
  const end = findings.findIndex(({ finding }) => ENDING.has(finding));
  return end < 0 ? findings : findings.map((seen, i) => (i > end ? { finding: 'not-looked' } : seen));
}

const ENDING: ReadonlySet<LayerFinding> = new Set(['file', 'opaque', 'whiteout']);

function named(stack: Stack, findings: Findings): ExplainedLayer[] {
  const layers: { layer: ReadLayer; role: 'upper' | 'lower' }[] = stack.lowers.map((layer) => ({
    layer,
    role: 'lower',
  }));
  if (stack.upper !== undefined) layers.unshift({ layer: stack.upper, role: 'upper' });
  return layers.map(({ layer, role }, i) => ({
    id: layer.id,
    role,
    ...(findings[i] ?? { finding: 'nothing' }),
  }));
}

function describeRoot(stack: Stack, layers: ExplainedLayer[], nameOf: LayerNamer): Explanation {
  const top = stack.upper ?? stack.lowers[0]!;
  top.lookup('', '.', stack.scratch);
  const shows = { mode: stack.scratch.attr.mode & PERMISSION_BITS };
  const why = whyFolder(layers, nameOf);
  return { path: '', kind: 'folder', shows, result: { layer: top.id }, parents: [], layers, why };
}

interface End {
  readonly path: ByteString;
  readonly parents: readonly ExplainedFolder[];
  readonly parent: Inode;
  readonly name: ByteString;
  /** The path ends here; otherwise a folder on the way is missing. */
  readonly last: boolean;
  readonly layers: readonly ExplainedLayer[];
  readonly found: Found;
  readonly nameOf: LayerNamer;
}

function describeEnd(stack: Stack, end: End): Explanation {
  const { path, parents, parent, name, last, layers, found, nameOf } = end;
  if (!last || !found.exists) {
    const top = layers.find(isHolding);
    const why = whyAbsent(top, last, found.exists, nameOf);
    return { path, result: 'absent', parents, layers, why };
  }
  const shown = shownObject(stack, parent, name, found);
  try {
    return describeShown(stack, end, shown);
  } finally {
    shown.release();
  }
}

function describeShown(stack: Stack, end: End, shown: Shown): Explanation {
  const { path, parents, parent, name, found, nameOf } = end;
  const { entry, indexed, nlink } = shown;
  const layers = indexed
    ? end.layers.map((layer, at) => (at === 0 ? { ...layer, ...seenIn(entry, 'indexed') } : layer))
    : end.layers;
  const top = layers.find(isHolding)!;
  const kind = kindOf(entry.attr.mode);
  const mode = entry.attr.mode & PERMISSION_BITS;
  const data = entry.metacopy ? explainData(stack, shown, top.id) : undefined;
  return {
    path,
    kind,
    shows: kind === 'folder' ? { mode } : { mode, size: entry.attr.size, nlink },
    result: { layer: top.id },
    parents,
    layers,
    why: kind === 'folder' ? whyFolder(layers, nameOf) : whyFile(layers, top, shown, nameOf),
    ...(data && { data }),
    ...(!stack.readOnly && explainChanges(stack, parent, name, found, shown)),
  };
}

function isHolding({ finding }: Seen): boolean {
  return finding !== 'nothing' && finding !== 'not-looked';
}
