// The folder of an active snapshot becomes another one while it is mounted: what was changed so far is committed, or
// thrown away, and the mount goes on. Whoever dies, and whenever, one of the two states is there afterwards:
//
// 1. The new folder is made and a row says what is going to happen: it keeps the folder and the name that is wanted.
// 2. The server exchanges the folders between two requests, and leaves a marker in the new one when it has decided to.
// 3. One transaction makes the snapshot what the marker says; only then is anything deleted.
//
// Without the marker nothing has happened, and the new folder goes. With it the old folder changes no more, whatever
// becomes of the server, and everything since is in the new one: what is left of 3 is done by the next process that looks.
// Who is at it holds the new folder (flock), so that nobody takes it for left over. A server that is still to decide when
// its asker has died cannot do so once the new folder has been put aside, because it writes the marker by its path.

import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ExchangeReply,
  finishHandOver,
  fromText,
  type LowerDescription,
  openUpper,
  readMarker,
  type UpperDescription,
} from '../../fs/index.js';
import { StoreError } from '../errors.js';
import type { Labels } from '../labels.js';
import type { Metadata } from '../metadata/db.js';
import { getExchange, listExchanges, putExchange, removeExchange } from '../metadata/exchanges.js';
import type { ExchangeRow, SnapshotRow } from '../metadata/rows.js';
import { withParts } from '../mounts/parts.js';
import { withServer } from '../mounts/settle.js';
import type { ListedMount } from '../mounts/table.js';
import { timeNow } from '../time.js';
import { noteRow } from './facts.js';
import { asFailure, fillFolder, said } from './folder-work.js';
import { type NewFolder, removeTree, type SnapshotFolders } from './folders.js';
import { layerToIndex } from './layer-index.js';
import { numberingOf, type Place, stackOf } from './mounts.js';
import { rowsIn, rowsRead } from './row-access.js';
import { checkCommit, commitRow, existing, parentsOf } from './rules.js';
import { sealFolder } from './seal.js';

/** What an exchange was for whoever used the mount. */
export type ExchangeStop = Omit<ExchangeReply, 'stale'>;

/** How long to wait for another process; what takes longer is a large folder that is indexed. */
const WAIT_MS = 10_000;
const POLL_MS = 20;

export class Exchanges {
  readonly #metadata: Metadata;
  readonly #folders: SnapshotFolders;
  readonly #namespace: string;

  constructor(metadata: Metadata, folders: SnapshotFolders, namespace: string) {
    this.#metadata = metadata;
    this.#folders = folders;
    this.#namespace = namespace;
  }

  /**
   * Commits what was changed through a mount of the active snapshot `key`, whose server lives, as `name`; the key stays
   * active on top of that. Errors as for `commit`; failed-precondition while somebody else is at it. undefined where it is
   * done, but the server died of it.
   */
  async commit(
    mount: ListedMount,
    key: string,
    commit: { readonly name: string; readonly labels: Labels },
  ): Promise<ExchangeStop | undefined> {
    const what = `cannot commit snapshot ${key}`;
    this.#metadata.read((tx) => checkCommit(rowsRead(tx, this.#namespace), commit.name, key, commit.labels));
    return this.#exchange(mount, key, commit, what);
  }

  /** As `commit`, and what was changed is thrown away. */
  async rollBack(mount: ListedMount, key: string): Promise<ExchangeStop | undefined> {
    return this.#exchange(mount, key, undefined, `cannot roll back snapshot ${key}`);
  }

  /**
   * Ends what processes have begun that are gone. What cannot be ended now (a full disk) is left, and told by its key: it
   * is no matter to who asks for another snapshot.
   */
  async recover(): Promise<ReadonlyMap<string, unknown>> {
    const failures = new Map<string, unknown>();
    const rows = this.#metadata.read((tx) => listExchanges(tx, this.#namespace));
    for (const row of rows) {
      const held = this.#folders.hold(row.id);
      if (held === undefined) continue;
      try {
        this.#folders.putBack(row.id);
        await this.#end(row);
      } catch (error) {
        const failure = asFailure(`cannot end what was begun with snapshot ${row.key}`, error);
        if (!(failure instanceof StoreError)) throw failure;
        failures.set(row.key, failure);
      } finally {
        held.release();
      }
    }
    return failures;
  }

  /** Ends what is left over, and waits for who is at a snapshot's folder; failed-precondition if that takes long. */
  async settled(key: string, what: string): Promise<void> {
    const deadline = performance.now() + WAIT_MS;
    for (;;) {
      const failure = (await this.recover()).get(key);
      if (failure !== undefined) throw failure;
      const row = this.#metadata.read((tx) => getExchange(tx, this.#namespace, key));
      if (row === undefined) return;
      if (performance.now() > deadline) throw atIt(row, what);
      await sleep(POLL_MS);
    }
  }

  async #exchange(
    mount: ListedMount,
    key: string,
    commit: ExchangeRow['commit'],
    what: string,
  ): Promise<ExchangeStop | undefined> {
    const folder = said(what, () => this.#folders.create(true));
    try {
      const { row, active } = await this.#begin(folder, mount, key, commit, what);
      let stop: ExchangeStop | undefined;
      try {
        stop = await this.#ask(mount, row, active);
      } catch (error) {
        // A server that died may have decided before.
        if (!(await this.#end(row))) throw error;
        return stop;
      }
      await this.#end(row);
      return stop;
    } catch (error) {
      throw asFailure(what, error);
    } finally {
      folder.release();
    }
  }

  async #begin(
    folder: NewFolder,
    mount: ListedMount,
    key: string,
    commit: ExchangeRow['commit'],
    what: string,
  ): Promise<{ readonly row: ExchangeRow; readonly active: SnapshotRow }> {
    try {
      if (commit === undefined) this.#beginAsParent(folder, key);
      return await this.#metadata.write((tx) => {
        const rows = rowsIn(tx, this.#namespace);
        const active =
          commit === undefined
            ? existing(rows, key, 'cannot roll back snapshot')
            : checkCommit(rows, commit.name, key, commit.labels);
        const other = getExchange(tx, this.#namespace, key);
        if (other !== undefined) throw atIt(other, what);
        if (mount.snapshot?.id !== active.id) {
          throw new StoreError('failed-precondition', what, `what is mounted at ${mount.target} is not it`, {
            hint: 'mica mounts',
          });
        }
        const row = { key, from: active.id, id: rows.nextId(), ...(commit && { commit }) };
        putExchange(tx, this.#namespace, row);
        folder.publish(row.id);
        return { row, active };
      });
    } catch (error) {
      folder.discard();
      throw error;
    }
  }

  #beginAsParent(folder: NewFolder, key: string): void {
    const parent = this.#metadata.read((tx) => {
      const rows = rowsRead(tx, this.#namespace);
      return parentsOf(rows, existing(rows, key, 'cannot roll back snapshot'))[0];
    });
    if (parent !== undefined) fillFolder(this.#folders, folder, parent, 'active');
  }

  async #ask(mount: ListedMount, { id, commit }: ExchangeRow, active: SnapshotRow): Promise<ExchangeStop> {
    const { upper } = withParts({ lowers: [], upper: this.#upperOf({ ...active, id }) });
    const below = lowerOf(this.#folders, active);
    const marker = this.#folders.marker(id);
    return withServer(mount, (server) =>
      server.ask({ op: 'exchange', upper: upper!, marker, ...(commit && { below }) }),
    );
  }

  #upperOf(row: SnapshotRow): UpperDescription {
    const { upper } = stackOf({ row, parents: [] }, this.#folders);
    if (upper === undefined) throw new Error('an active snapshot without an upper');
    return upper;
  }

  /** Makes of an exchange what it has come to; true if the folders were exchanged. The new one must be held. */
  async #end(row: ExchangeRow): Promise<boolean> {
    const { id } = row;
    if (this.#metadata.read((tx) => getExchange(tx, this.#namespace, row.key))?.id !== id) return false;
    const handedOver = readMarker(this.#folders.marker(id));
    if (handedOver !== undefined) {
      await this.#finish(row);
      return true;
    }
    this.#folders.putAside(id);
    if (this.#folders.isMarkedAside(id)) {
      this.#folders.putBack(id);
      await this.#finish(row);
      return true;
    }
    await this.#metadata.write((tx) => removeExchange(tx, this.#namespace, row));
    this.#folders.removeAside(id);
    return false;
  }

  async #finish(row: ExchangeRow): Promise<void> {
    const { key, from, id, commit } = row;
    if (commit === undefined) {
      const active = await this.#metadata.write((tx) => {
        const rows = rowsIn(tx, this.#namespace);
        removeExchange(tx, this.#namespace, row);
        const now = { ...existing(rows, key, 'cannot roll back snapshot'), id, updated: timeNow() };
        rows.put(now);
        return now;
      });
      noteRow(this.#folders, this.#namespace, active);
      const away = this.#folders.retire(from);
      if (away !== undefined) removeTree(away);
    } else {
      const what = `cannot commit snapshot ${key}`;
      const { active, below } = this.#metadata.read((tx) => {
        const rows = rowsRead(tx, this.#namespace);
        const found = existing(rows, key, 'cannot commit snapshot');
        return { active: found, below: parentsOf(rows, found)[0] };
      });
      this.#unshare(active, what);
      const index = layerToIndex(this.#folders, active, commit.name, below);
      const usage = sealFolder(this.#folders, active, index);
      const made = await this.#metadata.write((tx) => {
        const rows = rowsIn(tx, this.#namespace);
        removeExchange(tx, this.#namespace, row);
        const latest = existing(rows, key, 'cannot commit snapshot');
        const now = { ...latest, id, parent: commit.name, updated: timeNow() };
        const committed = commitRow(rows, commit.name, key, commit.labels, usage);
        rows.put(now);
        return [committed, now];
      });
      removeTree(this.#folders.work(from));
      for (const one of made) noteRow(this.#folders, this.#namespace, one);
    }
    rmSync(this.#folders.marker(id), { force: true });
  }

  /** A server that died may have left files in the old folder that are those of the new one. */
  #unshare(active: SnapshotRow, what: string): void {
    const { id } = this.#metadata.read((tx) => getExchange(tx, this.#namespace, active.name))!;
    const list = readMarker(this.#folders.marker(id)) ?? [];
    const fs = fromText(this.#folders.fs(active.id));
    const isLeft = list.some(({ dir, name, ino }) => numberOf(join(fs, dir, name)) === ino);
    if (!isLeft) return;
    const { quota: _unlimited, ...whole } = this.#upperOf(active);
    const upper = openUpper(whole);
    try {
      finishHandOver(upper, list);
    } catch (error) {
      throw asFailure(what, error);
    } finally {
      upper.close();
    }
  }
}

function atIt({ commit }: ExchangeRow, what: string): StoreError {
  const why = commit === undefined ? 'it is being rolled back' : `it is being committed as ${commit.name}`;
  return new StoreError('failed-precondition', what, why, { hint: 'try again when that is done' });
}

/** The folder of a snapshot as a lower that has no index. */
function lowerOf(place: Place, row: SnapshotRow): LowerDescription {
  const { id, dialect, marks } = row;
  return { path: place.fs(id), id, dialect, marks, numbering: numberingOf(row) };
}

/** `path` in bytes. */
function numberOf(path: string): number {
  return statSync(Buffer.from(path, 'latin1'), { throwIfNoEntry: false })?.ino ?? 0;
}
