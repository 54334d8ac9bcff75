// What one layer holds at a name, as explain.ts tells it.

import type { Timestamp } from '../filesystem.js';
import type { LayerEntry } from '../layer/layer.js';
import { isFolder } from '../mode.js';
import type { ByteString } from '../name.js';

/**
 * `metadata`: a file's attributes alone; the `file` further down has its data. `part`: the same, and some of the data.
 * `indexed`: not at this name, but the copy of the file, which the index of hard links joins to it.
 */
export type LayerFinding =
  | 'file'
  | 'metadata'
  | 'part'
  | 'indexed'
  | 'folder'
  | 'opaque'
  | 'whiteout'
  | 'redirect'
  | 'nothing'
  | 'not-looked';

/** Of what is no object (a whiteout, nothing) there is the finding alone. */
export interface Seen {
  readonly finding: LayerFinding;
  /** Type and permission bits. */
  readonly mode?: number;
  readonly mtime?: Timestamp;
  /** Bytes; not of folders. */
  readonly size?: number;
  /** Where it goes on below: absolute, from the root, or a sibling's name. */
  readonly redirect?: ByteString;
}

export interface ExplainedLayer extends Seen {
  readonly id: string;
  readonly role: 'upper' | 'lower';
}

/** What a layer, of which the id is given, is called in sentences. */
export type LayerNamer = (id: string) => string;

export function seenIn(entry: LayerEntry, finding: LayerFinding = findingOf(entry)): Seen {
  if (finding === 'whiteout') return { finding };
  const { mode, size, mtimeSec, mtimeNsec } = entry.attr;
  return {
    finding,
    mode,
    mtime: { sec: mtimeSec, nsec: mtimeNsec },
    ...(isFolder(mode) ? {} : { size }),
    ...(entry.redirect === undefined ? {} : { redirect: entry.redirect }),
  };
}

function findingOf(entry: LayerEntry): LayerFinding {
  if (entry.whiteout) return 'whiteout';
  if (!isFolder(entry.attr.mode))
    return entry.metacopy ? (entry.ranges === undefined ? 'metadata' : 'part') : 'file';
  if (entry.opaque) return 'opaque';
  return entry.redirect === undefined ? 'folder' : 'redirect';
}
