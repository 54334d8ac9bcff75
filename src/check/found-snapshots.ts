// Rows of snapshots as their folders tell them: facts.json, which has all of a row, and the trailer of the index, which
// has what never changes about a committed one. Where they do not agree, the one that was written later counts.

import { existsSync, lstatSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { type Dialect, isUnusable, type MarkPrefix, readIndexHead } from '../../fs/index.js';
import { rootLabels } from '../labels.js';
import type { SnapshotForm, SnapshotRow } from '../metadata/rows.js';
import { readNote } from '../snapshots/facts.js';
import { timeOfNs } from '../time.js';
import type { Problem } from './report.js';

export interface FoundSnapshots {
  readonly rows: readonly { readonly namespace: string; readonly row: SnapshotRow }[];
  readonly told: readonly Problem[];
  /** Of all folders, also of those that nobody knows. */
  readonly highestId: number;
}

/** The trailer of a layer's index (dir-index of fs/layer). */
interface Trailer {
  readonly id: string;
  readonly parent?: string;
  readonly name: string;
  readonly form: SnapshotForm;
  readonly dialect: Dialect;
  readonly marks: MarkPrefix;
}

interface Told {
  readonly id: string;
  readonly namespace: string;
  readonly row: SnapshotRow;
  /** The folder of the parent, where the index tells it. */
  readonly parentId: string | undefined;
  readonly problem?: Problem;
}

/** `folder` is ROOT/snapshots. */
export function findSnapshots(folder: string): FoundSnapshots {
  const ids = readdirSync(folder).filter((name) => /^[0-9]+$/.test(name));
  const found: Told[] = [];
  const told: Problem[] = [];
  for (const id of ids.sort((a, b) => Number(b) - Number(a))) {
    const one = tell(folder, id);
    const isTaken = found.some(
      ({ namespace, row }) => namespace === one?.namespace && row.name === one.row.name,
    );
    if (one === undefined || isTaken) {
      const why = isTaken ? `a later folder is ${one?.row.name}, too` : 'nothing tells what it is';
      told.push(putAside(folder, id, why));
      continue;
    }
    found.push(one);
    if (one.problem !== undefined) told.push(one.problem);
  }
  const names = new Map(found.map(({ id, row }) => [id, row.name]));
  const rows = found.map(({ namespace, row, parentId }) => {
    const parent = parentId === undefined ? row.parent : names.get(parentId);
    return { namespace, row: parent === undefined ? row : { ...row, parent } };
  });
  return { rows, told, highestId: Math.max(0, ...ids.map(Number)) };
}

function tell(folder: string, id: string): Told | undefined {
  const path = join(folder, id);
  if (!existsSync(join(path, 'fs'))) return undefined;
  const note = readNote(path);
  const trailer = trailerIn(path, id);
  // Committed as soon as the work folder is gone, whatever was written down before.
  const isCommitted = trailer !== undefined && !existsSync(join(path, 'work'));
  if (note !== undefined && note.row.id === id && (!isCommitted || note.row.kind === 'committed')) {
    return { id, ...note, parentId: undefined };
  }
  if (trailer === undefined || !isCommitted) return undefined;
  const { name, form, dialect, marks, parent } = trailer;
  const created = timeOfNs(lstatSync(join(path, 'index'), { bigint: true }).mtimeNs);
  const labels = rootLabels();
  const row: SnapshotRow = {
    name,
    id,
    kind: 'committed',
    form,
    marks,
    dialect,
    created,
    updated: created,
    labels,
  };
  const namespace = note?.namespace ?? 'default';
  const why = 'nothing but its index tells of it: its labels are not known';
  const problem: Problem = { part: 'snapshot', namespace, name, why, level: 'note' };
  return { id, namespace, row: { ...numberingOf(note?.row), ...row }, parentId: parent, problem };
}

function numberingOf(row: SnapshotRow | undefined): Pick<SnapshotRow, 'numbering'> {
  return row?.numbering === undefined ? {} : { numbering: row.numbering };
}

function trailerIn(path: string, id: string): Trailer | undefined {
  try {
    const trailer = JSON.parse(readIndexHead(join(path, 'index')).trailer) as Trailer & {
      readonly kind: string;
    };
    return trailer.kind === 'layer' && trailer.id === id ? trailer : undefined;
  } catch (error) {
    if (isUnusable(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Out of the way of what is made later, and of what clears up folders without a row. */
function putAside(folder: string, id: string, why: string): Problem {
  const path = join(folder, id);
  const aside = join(folder, `lost-${id}`);
  renameSync(path, aside);
  return { part: 'snapshot', name: path, why, level: 'error', repaired: `put it aside as ${aside}` };
}
