// Container rows: what containerd's container store keeps of a container (`core/metadata/containers.go`). Nothing
// here runs anything. The snapshot that a row names stays as long as the row: it is a root of garbage collection.

import { StoreError } from '../errors.js';
import { assertLabels, updateLabels } from '../labels.js';
import { timeNow } from '../time.js';
import type { Metadata } from './db.js';
import { assertIdentifier } from './identifier.js';
import { ensureNamespace } from './namespaces.js';
import type { ContainerRow, OpaqueValue } from './rows.js';
import type { Key, ReadTx, WriteTx } from './transaction.js';

/** What a caller says of a container; times are the store's. Who changes other fields need not send the specification. */
export interface NewContainer extends Omit<ContainerRow, 'created' | 'updated' | 'spec'> {
  readonly spec?: OpaqueValue;
}

/** A row that is being put together. */
type Draft = Omit<ContainerRow, 'spec'> & { readonly spec: OpaqueValue | undefined };

/** What a change without field paths replaces; the other fields never change. */
const CHANGEABLE = ['labels', 'spec', 'extensions', 'image', 'snapshotkey'] as const;

const at = (ns: string, id: string): Key => ['v1', 'containers', ns, id];

export function getContainer(tx: ReadTx, ns: string, id: string): ContainerRow | undefined {
  return tx.get<ContainerRow>(at(ns, id));
}

/** Ordered by id. */
export function listContainers(tx: ReadTx, ns: string): readonly ContainerRow[] {
  return tx.list<ContainerRow>(['v1', 'containers', ns]).map((row) => row.value);
}

/** already-exists; invalid-argument for a bad id, no runtime or specification, or a snapshot key without a snapshotter. */
export function createContainer(tx: WriteTx, ns: string, container: NewContainer): ContainerRow {
  const what = `cannot create container ${container.id}`;
  const now = timeNow();
  const row = sound({ ...container, spec: container.spec, created: now, updated: now }, what);
  if (getContainer(tx, ns, container.id) !== undefined) {
    throw new StoreError('already-exists', what, 'there is a container of this id');
  }
  ensureNamespace(tx, ns);
  tx.put(at(ns, row.id), row);
  return row;
}

/**
 * Changes the fields that `fieldPaths` name (`labels`, `labels.<key>`, `spec`, `extensions`, `extensions.<name>`,
 * `image`, `snapshotkey`; none: all of them), and returns the row. not-found; invalid-argument for any other path,
 * and for another runtime or snapshotter where all is replaced, because these never change.
 */
export function updateContainer(
  tx: WriteTx,
  ns: string,
  changed: NewContainer,
  fieldPaths: readonly string[],
): ContainerRow {
  const what = `cannot update container ${changed.id}`;
  const old = getContainer(tx, ns, changed.id);
  if (old === undefined) throw absent(what);
  if (fieldPaths.length === 0) {
    if (changed.snapshotter !== old.snapshotter) throw fixed(what, 'snapshotter');
    if (changed.runtime.name !== old.runtime.name) throw fixed(what, 'runtime');
  }
  let draft: Draft = { ...old, updated: timeNow() };
  for (const path of fieldPaths.length === 0 ? CHANGEABLE : fieldPaths) {
    draft = { ...draft, ...changeAt(draft, changed, path, what) };
  }
  const row = sound(draft, what);
  tx.put(at(ns, row.id), row);
  return row;
}

/** Takes the row out and returns it. not-found. */
export function deleteContainer(tx: WriteTx, ns: string, id: string): ContainerRow {
  const row = getContainer(tx, ns, id);
  if (row === undefined) throw absent(`cannot remove container ${id}`);
  tx.remove(at(ns, id));
  return row;
}

export type ContainerRows = ReturnType<typeof containerRows>;

/** The rows of one namespace for those who know no transactions. */
export function containerRows(metadata: Metadata, ns: string) {
  return {
    get: (id: string): ContainerRow | undefined => metadata.read((tx) => getContainer(tx, ns, id)),
    list: (): readonly ContainerRow[] => metadata.read((tx) => listContainers(tx, ns)),
    create: (container: NewContainer): Promise<ContainerRow> =>
      metadata.write((tx) => createContainer(tx, ns, container)),
    update: (container: NewContainer, fieldPaths: readonly string[]): Promise<ContainerRow> =>
      metadata.write((tx) => updateContainer(tx, ns, container, fieldPaths)),
    remove: (id: string): Promise<ContainerRow> => metadata.write((tx) => deleteContainer(tx, ns, id)),
  };
}

function changeAt(row: Draft, changed: NewContainer, path: string, what: string): Partial<Draft> {
  if (path === 'labels' || path.startsWith('labels.')) {
    return { labels: updateLabels(row.labels, changed.labels, [path], what) };
  }
  if (path.startsWith('extensions.')) {
    const name = path.slice('extensions.'.length);
    const { [name]: _old, ...others } = row.extensions;
    const value = changed.extensions[name];
    return { extensions: value === undefined ? others : { ...others, [name]: value } };
  }
  switch (path) {
    case 'spec':
      return { spec: changed.spec };
    case 'extensions':
      return { extensions: changed.extensions };
    case 'image':
      return { image: changed.image };
    case 'snapshotkey':
      return { snapshotKey: changed.snapshotKey };
    default:
      throw new StoreError('invalid-argument', what, `the field ${path} cannot be updated`);
  }
}

/** The row that the draft has become; invalid-argument. */
function sound({ spec, ...others }: Draft, what: string): ContainerRow {
  assertIdentifier(others.id, what);
  assertLabels(others.labels, what);
  const why = flawOf(others);
  if (why !== undefined) throw new StoreError('invalid-argument', what, why);
  if (spec === undefined) throw new StoreError('invalid-argument', what, 'it has no specification');
  return { ...others, spec };
}

function flawOf({ runtime, snapshotKey, snapshotter, extensions }: Omit<Draft, 'spec'>): string | undefined {
  if (runtime.name === '') return 'its runtime has no name';
  if (snapshotKey !== '' && snapshotter === '') return 'it has a snapshot key without a snapshotter';
  if (Object.keys(extensions).includes('')) return 'an extension has no name';
  return undefined;
}

function fixed(what: string, field: string): StoreError {
  return new StoreError('invalid-argument', what, `its ${field} cannot be changed`);
}

function absent(what: string): StoreError {
  return new StoreError('not-found', what, 'there is no container of this id', { hint: 'mica container ls' });
}
