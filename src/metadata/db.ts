// The metadata database: the only door to LMDB. A change is one synchronous transaction under LMDB's write lock,
// which all processes share; when `write` resolves, the change has been synced (data, then the meta page that names
// it), and no kill or power loss takes it back. Only synchronous puts are used: a queued put that fails after
// close() ends the process (lmdb-js throws it from a timer).

import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { sys } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { assertWhole } from './data-file.js';
import { assertLocal } from './filesystem-kind.js';
import { decodeKey, encodeKey, lastPart, rangeBelow } from './keys.js';
import { asStoreError, damaged, lmdbCode } from './lmdb-error.js';
import { PendingChanges } from './pending.js';
import { assertNotNewer, MIGRATIONS, type Migration, migrate, ROW_VERSION, storedVersion } from './schema.js';
import type { Key, ReadTx, Row, WriteTx } from './transaction.js';

type Db = RootDatabase<unknown, Buffer>;
type Range = ReturnType<typeof rangeBelow>;

export interface MetadataOptions {
  /** False for folders that die with the test: a change is not synced. Default true. */
  readonly durable?: boolean;
  readonly migrations?: readonly Migration[];
}

/** Virtual size, grown by LMDB when needed: a large first map spares the processes that share it remapping. */
const MAP_SIZE = 2 ** 30;
/** Processes that may read at a time; LMDB's own default is 126. */
const MAX_READERS = 512;
/**
 * The file that is locked (flock(2)) by who writes and by who opens. LMDB as lmdb-js 3.5.6 has it sets the number of the
 * last transaction at each opening to what it read a moment before (mdb_env_open2); a commit in between was lost, and its
 * pages used again.
 */
const WRITERS = 'writers.lock';
/** Counts the write transactions that changed nothing; below no path of the tree. */
const NOTHING = Buffer.from('nothing');

export class Metadata {
  readonly folder: string;
  readonly #db: Db;
  readonly #tx: DbTransaction;
  readonly #version: number;
  /** Open on WRITERS; absent where there is no flock(2). */
  readonly #lock: number | undefined;
  #inside = false;
  #open = true;
  /** A commit failed: the disk is full, say. */
  #failed = false;

  private constructor(folder: string, db: Db, version: number, lock: number | undefined) {
    this.folder = folder;
    this.#db = db;
    this.#tx = new DbTransaction(db);
    this.#version = version;
    this.#lock = lock;
  }

  /**
   * Opens the database in `folder` (made if missing) and brings it to this program's version. corrupt if the file
   * is damaged, failed-precondition if a newer program wrote it, unsupported on a network filesystem.
   */
  static open(folder: string, options: MetadataOptions = {}): Metadata {
    const what = `cannot open the metadata in ${folder}`;
    const migrations = options.migrations ?? MIGRATIONS;
    let lock: number | undefined;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      assertLocal(folder);
      assertWhole(folder, what);
      lock = process.platform === 'linux' ? openSync(join(folder, WRITERS), 'a', 0o600) : undefined;
      const db: Db = whileLocked(lock, () =>
        open<unknown, Buffer>({
          path: folder,
          noSubdir: false,
          noSync: options.durable === false,
          // A commit that is visible before it is durable could be acknowledged too early.
          overlappingSync: false,
          maxReaders: MAX_READERS,
          mapSize: MAP_SIZE,
          keyEncoding: 'binary',
          encoder: { useRecords: false },
        }),
      );
      const metadata = new Metadata(folder, db, migrations.length, lock);
      // From here on it is the metadata's to close.
      lock = undefined;
      // LMDB syncs its file, not the file's name, which matters once.
      if (metadata.#migrate(migrations) && options.durable !== false) syncFolder(folder);
      return metadata;
    } catch (error) {
      if (lock !== undefined) closeSync(lock);
      throw asStoreError(error, what);
    }
  }

  /** Runs `fn` on the newest state; what it reads does not change under it. */
  read<T>(fn: (tx: ReadTx) => T): T {
    this.#assertUsable();
    try {
      // A read transaction that an earlier read of this turn left open would show its older state.
      if (!this.#inside) this.#db.resetReadTxn();
      return refusePromise(fn(this.#tx));
    } catch (error) {
      throw translated(error, 'cannot read the metadata');
    }
  }

  /** Runs `fn` in one transaction, at once; nothing of it is kept if it throws. Resolves when durable. */
  async write<T>(fn: (tx: WriteTx) => T): Promise<T> {
    return this.#write((tx) => {
      // Another process may have brought the store to a version of its own since it was opened here.
      assertNotNewer(storedVersion(tx), this.#version);
      return fn(tx);
    });
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#db.close();
    if (this.#lock !== undefined) closeSync(this.#lock);
  }

  /** False if there was nothing to do. */
  #migrate(migrations: readonly Migration[]): boolean {
    try {
      if (this.read((tx) => storedVersion(tx)) === migrations.length) return false;
      this.#write((tx) => migrate(tx, migrations));
      return true;
    } catch (error) {
      void this.close();
      throw error;
    }
  }

  #write<T>(fn: (tx: WriteTx) => T): T {
    this.#assertUsable();
    if (this.#inside) throw new Error('a transaction began inside another one');
    if (this.#failed) {
      throw new StoreError('failed', 'cannot change the metadata', 'an earlier change failed: open it again');
    }
    this.#inside = true;
    const tx = new PendingTransaction(this.#db);
    let refusal: { readonly error: unknown } | undefined;
    let result: T | undefined;
    try {
      whileLocked(this.#lock, () =>
        this.#db.transactionSync(() => {
          try {
            result = refusePromise(fn(tx));
          } catch (error) {
            refusal = { error };
          }
          if (refusal !== undefined || tx.changes.size === 0) this.#countNothing();
          else tx.flush();
        }),
      );
    } catch (error) {
      // LMDB's own transaction was aborted, which pending.ts says must not be built on.
      this.#failed = true;
      throw translated(error, 'cannot change the metadata');
    } finally {
      this.#inside = false;
    }
    if (refusal !== undefined) throw translated(refusal.error, 'cannot change the metadata');
    return result as T;
  }

  /** LMDB's transaction must not be empty: see pending.ts. */
  #countNothing(): void {
    this.#db.putSync(NOTHING, Number(this.#db.get(NOTHING) ?? 0) + 1);
  }

  #assertUsable(): void {
    if (!this.#open)
      throw new StoreError('failed', `cannot use the metadata in ${this.folder}`, 'it is closed');
  }
}

/** Reads of the newest state, or of the write transaction that is running. */
class DbTransaction implements ReadTx {
  protected readonly db: Db;

  constructor(db: Db) {
    this.db = db;
  }

  get<T>(key: Key): T | undefined {
    const stored = this.stored(encodeKey(key));
    return stored === undefined ? undefined : (unwrap(stored, key) as T);
  }

  list<T>(prefix: Key): readonly Row<T>[] {
    return this.storedRange(rangeBelow(prefix)).map(({ key, value }) => ({
      name: lastPart(key),
      value: unwrap(value, key) as T,
    }));
  }

  keys(prefix: Key): readonly (readonly string[])[] {
    return this.storedKeys(rangeBelow(prefix)).map((key) => decodeKey(key));
  }

  entries(prefix: Key): { readonly key: readonly string[]; readonly value: unknown }[] {
    return this.storedRange(rangeBelow(prefix)).map(({ key, value }) => {
      const parts = decodeKey(key);
      return { key: parts, value: unwrap(value, parts) };
    });
  }

  protected stored(key: Buffer): unknown {
    return decoding(() => this.db.get(key));
  }

  protected storedRange(range: Range): readonly { readonly key: Buffer; readonly value: unknown }[] {
    // Gathered, not handed out lazily: an open cursor pins pages, and the caller may write.
    return decoding(() => [...this.db.getRange(range)]);
  }

  protected storedKeys(range: Range): readonly Buffer[] {
    return decoding(() => [...this.db.getKeys(range)]);
  }
}

/** Reads see the changes, which reach the database with `flush`. */
class PendingTransaction extends DbTransaction implements WriteTx {
  readonly changes = new PendingChanges();

  put(key: Key, value: unknown): void {
    this.changes.put(encodeKey(key), [ROW_VERSION, value]);
  }

  remove(key: Key): boolean {
    const bytes = encodeKey(key);
    if (this.stored(bytes) === undefined) return false;
    this.changes.remove(bytes);
    return true;
  }

  flush(): void {
    for (const { key, value } of this.changes) {
      if (value === undefined) this.db.removeSync(key);
      else this.db.putSync(key, value);
    }
  }

  protected override stored(key: Buffer): unknown {
    const change = this.changes.get(key);
    return change === undefined ? super.stored(key) : change.value;
  }

  protected override storedRange(range: Range): readonly { readonly key: Buffer; readonly value: unknown }[] {
    const rows = super.storedRange(range);
    return this.changes.size === 0 ? rows : this.changes.merge(rows, range);
  }

  protected override storedKeys(range: Range): readonly Buffer[] {
    const keys = super.storedKeys(range);
    if (this.changes.size === 0) return keys;
    return this.changes
      .merge(
        keys.map((key) => ({ key, value: true })),
        range,
      )
      .map(({ key }) => key);
  }
}

/** Runs `act` under the lock of an open file, if there is one. */
function whileLocked<T>(lock: number | undefined, act: () => T): T {
  if (lock === undefined) return act();
  sys.lock(lock);
  try {
    return act();
  } finally {
    sys.unlock(lock);
  }
}

/** What fails here without a return code of LMDB's is a value that is no MessagePack. */
function decoding<T>(fetch: () => T): T {
  try {
    return fetch();
  } catch (error) {
    if (!(error instanceof Error) || lmdbCode(error) !== undefined) throw error;
    throw damaged('cannot read the metadata', 'a value cannot be decoded', error);
  }
}

function unwrap(stored: unknown, key: readonly string[] | Buffer): unknown {
  if (Array.isArray(stored) && stored.length === 2 && stored[0] === ROW_VERSION) return stored[1];
  const parts = Buffer.isBuffer(key) ? decodeKey(key) : key;
  throw damaged('cannot read the metadata', `the value of ${parts.join('/')} has an unknown form`);
}

/** A transaction that waits would hold the lock of all processes, and lmdb-js would commit it late. */
function refusePromise<T>(result: T): T {
  if (result instanceof Promise) throw new Error('a transaction returned a promise');
  return result;
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** LMDB's own errors only: what the caller's function throws is the caller's. */
function translated(error: unknown, what: string): unknown {
  return lmdbCode(error) === undefined ? error : asStoreError(error, what);
}
