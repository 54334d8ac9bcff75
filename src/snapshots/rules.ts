// The rules of snapshots on their rows alone: which state may follow which, and every refusal with its kind. Each
// function is called inside one transaction (or on a plain Map), reads and changes nothing else, and throws before
// it changes anything. What happens to folders is the caller's affair.

import type { SpaceLimit } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { assertLabels, type Labels, updateLabels } from '../labels.js';
import type { SnapshotForm, SnapshotRow } from '../metadata/rows.js';
import { timeNow } from '../time.js';
import type { Driver, SnapshotUsage, StoredSnapshot } from './snapshot.js';

/** The rows of one namespace as the rules need them. */
export interface SnapshotRows {
  get(name: string): SnapshotRow | undefined;
  put(row: SnapshotRow): void;
  /** Of a row that exists and has no children. */
  remove(name: string): void;
  children(name: string): readonly string[];
  nextId(): string;
  /** The key of a snapshot that is being committed as `name` at this moment; undefined if none is. */
  becoming(name: string): string | undefined;
}

/** What `newRow` is to make; form and marks hold where there is no parent to take them from. */
export interface NewSnapshot {
  readonly key: string;
  readonly kind: 'active' | 'view';
  readonly parent: string | undefined;
  readonly labels: Labels;
  readonly quota?: SpaceLimit | undefined;
  readonly own: Pick<SnapshotRow, 'form' | 'marks' | 'dialect' | 'numbering'>;
}

/** The row of a name; not-found. `doing` begins the error ("cannot mount"). */
export function existing(rows: SnapshotRows, name: string, doing: string): SnapshotRow {
  const row = rows.get(name);
  if (row !== undefined) return row;
  throw new StoreError('not-found', `${doing} ${name}`, 'there is no snapshot of this name', {
    hint: 'mica snapshot ls',
  });
}

/**
 * Checks that `wanted` may be made, and returns its parent's row. already-exists, not-found (the parent),
 * invalid-argument (parent not committed, empty key), failed-precondition (parent of the other form).
 */
export function checkNew(rows: SnapshotRows, wanted: NewSnapshot): SnapshotRow | undefined {
  const what = `cannot ${wanted.kind === 'view' ? 'view' : 'prepare'} snapshot ${wanted.key}`;
  if (wanted.key === '')
    throw new StoreError('invalid-argument', 'cannot prepare snapshot', 'its key is empty');
  assertLabels(wanted.labels, what);
  if (rows.get(wanted.key) !== undefined) {
    throw new StoreError('already-exists', what, 'there is a snapshot of this name', {
      hint: `use another key, or mica snapshot rm ${wanted.key}`,
    });
  }
  if (wanted.quota !== undefined && wanted.kind === 'view') {
    throw new StoreError('invalid-argument', what, 'a view takes no space, so it has no quota');
  }
  assertNotBecoming(rows, wanted.key, what);
  if (wanted.parent === undefined) return undefined;
  const parent = rows.get(wanted.parent);
  if (parent === undefined) {
    throw new StoreError('not-found', what, `there is no snapshot ${wanted.parent} to be its parent`, {
      hint: 'mica snapshot ls',
    });
  }
  if (parent.kind !== 'committed') {
    throw new StoreError('invalid-argument', what, `its parent ${wanted.parent} is not committed`, {
      hint: `mica snapshot commit NAME ${wanted.parent}`,
    });
  }
  assertForm(parent, wanted.own.form, what);
  return parent;
}

/** Puts the row of a new snapshot, which has its parent's form, marks and dialect, and returns it. */
export function addNew(rows: SnapshotRows, wanted: NewSnapshot): SnapshotRow {
  const parent = checkNew(rows, wanted);
  const now = timeNow();
  const { form, marks, dialect } = parent ?? wanted.own;
  // A whole tree is a copy of its parent, with the owners that lie there.
  const { numbering } = parent?.form === 'full' ? parent : wanted.own;
  const row: SnapshotRow = {
    name: wanted.key,
    id: rows.nextId(),
    ...(wanted.parent === undefined ? {} : { parent: wanted.parent }),
    kind: wanted.kind,
    form,
    marks,
    dialect,
    ...(numbering === undefined ? {} : { numbering }),
    created: now,
    updated: now,
    labels: wanted.labels,
    ...(wanted.quota === undefined ? {} : { quota: wanted.quota }),
  };
  rows.put(row);
  return row;
}

/** failed-precondition if a snapshot holds changes where a driver wants a whole tree, or the other way round. */
export function assertForm(row: SnapshotRow, form: SnapshotForm, what: string): void {
  if (row.form === form) return;
  const [has, driver] =
    row.form === 'full' ? ['whole trees', 'native'] : ['changes only', 'fuse or --driver overlay'];
  throw new StoreError('failed-precondition', what, `the chain of ${row.name} holds ${has}`, {
    hint: `use --driver ${driver}, or mica export the image and mica import it into another --root`,
  });
}

/** Checks that `key` can become `name`. not-found, failed-precondition (not active), already-exists (the name). */
export function checkCommit(rows: SnapshotRows, name: string, key: string, labels: Labels): SnapshotRow {
  const what = `cannot commit snapshot ${key}`;
  if (name === '') throw new StoreError('invalid-argument', what, 'the new name is empty');
  assertLabels(labels, what);
  const row = existing(rows, key, 'cannot commit snapshot');
  if (row.kind !== 'active') {
    throw new StoreError(
      'failed-precondition',
      what,
      row.kind === 'view' ? 'it is a view' : 'it is committed',
    );
  }
  if (rows.get(name) !== undefined) {
    throw new StoreError('already-exists', what, `there is a snapshot ${name}`, {
      hint: `commit under another name, or mica snapshot rm ${name}`,
    });
  }
  assertNotBecoming(rows, name, what);
  return row;
}

/** already-exists for a name that a snapshot is about to get. */
function assertNotBecoming(rows: SnapshotRows, name: string, what: string): void {
  const key = rows.becoming(name);
  if (key === undefined) return;
  throw new StoreError('already-exists', what, `snapshot ${key} is being committed as ${name}`, {
    hint: 'use another name',
  });
}

/** Turns the active row `key` into the committed `name`, in place of it. */
export function commitRow(
  rows: SnapshotRows,
  name: string,
  key: string,
  labels: Labels,
  usage: SnapshotUsage,
): SnapshotRow {
  const { quota: _forgotten, ...active } = checkCommit(rows, name, key, labels);
  const now = timeNow();
  const row: SnapshotRow = {
    ...active,
    name,
    kind: 'committed',
    created: now,
    updated: now,
    labels,
    size: usage.size,
    inodes: usage.inodes,
  };
  rows.remove(key);
  rows.put(row);
  return row;
}

/** Takes a row out and returns it. not-found; failed-precondition while it has children. */
export function removeRow(rows: SnapshotRows, name: string): SnapshotRow {
  const row = existing(rows, name, 'cannot remove snapshot');
  const children = rows.children(name);
  const first = children[0];
  if (first !== undefined) {
    const others = children.length > 1 ? ` and ${children.length - 1} more` : '';
    const why = `it has children: ${first}${others}`;
    throw new StoreError('failed-precondition', `cannot remove snapshot ${name}`, why, {
      hint: `mica snapshot rm ${first}`,
    });
  }
  rows.remove(name);
  return row;
}

/** Changes labels as containerd's field paths say, and returns the row. */
export function updateRow(
  rows: SnapshotRows,
  name: string,
  labels: Labels,
  fieldPaths: readonly string[],
): SnapshotRow {
  const old = existing(rows, name, 'cannot update snapshot');
  const changed = updateLabels(old.labels, labels, fieldPaths, `cannot update snapshot ${name}`);
  const row: SnapshotRow = { ...old, labels: changed, updated: timeNow() };
  rows.put(row);
  return row;
}

/** Sets what an active snapshot may take. not-found; failed-precondition for any other. */
export function limitRow(rows: SnapshotRows, key: string, quota: SpaceLimit | undefined): SnapshotRow {
  const { quota: _old, ...old } = existing(rows, key, 'cannot limit snapshot');
  if (old.kind !== 'active') {
    const why = old.kind === 'view' ? 'it is a view' : 'it is committed';
    throw new StoreError('failed-precondition', `cannot limit snapshot ${key}`, why);
  }
  const row: SnapshotRow = { ...old, ...(quota === undefined ? {} : { quota }), updated: timeNow() };
  rows.put(row);
  return row;
}

/** unsupported for a driver under which nobody counts what is written. */
export function assertCounts(driver: Driver, what: string): void {
  if (driver === 'fuse') return;
  throw new StoreError('unsupported', what, `with the driver ${driver} nobody keeps to a quota`, {
    hint: 'use --driver fuse',
  });
}

/** The committed snapshots below `row`, nearest first. A missing one is damage: rows and index change together. */
export function parentsOf(rows: SnapshotRows, row: SnapshotRow): readonly SnapshotRow[] {
  const parents: SnapshotRow[] = [];
  let name = row.parent;
  while (name !== undefined) {
    const parent = rows.get(name);
    if (parent === undefined) {
      throw new StoreError(
        'corrupt',
        `cannot read the chain of ${row.name}`,
        `its parent ${name} is missing`,
        {
          hint: 'mica fsck',
        },
      );
    }
    parents.push(parent);
    name = parent.parent;
  }
  return parents;
}

export function infoOf(row: SnapshotRow): StoredSnapshot {
  const { size: _size, inodes: _inodes, diffId: _diffId, ...info } = row;
  return info;
}
