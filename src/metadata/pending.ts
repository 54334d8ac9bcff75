// The changes of a transaction that is under way: kept here until its function has returned, then put all at
// once. So LMDB's own transactions never abort and are never empty. They must not be: lmdb-js 3.5 keeps the list
// of free pages from one write transaction to the next and takes it for fresh if the database's transaction
// number is the one that it tried last (mdb_txn_renew0). An aborted or empty one, and then one commit by another
// process, make it so, and pages that are in use are written again.

/** One change: the encoded key, and the new value, undefined to remove it. */
interface Change {
  readonly key: Buffer;
  readonly value: unknown;
}

export class PendingChanges {
  /** By the bytes of the key, one character a byte, which sort as the bytes do. */
  readonly #changes = new Map<string, Change>();

  get size(): number {
    return this.#changes.size;
  }

  put(key: Buffer, value: unknown): void {
    this.#changes.set(key.toString('latin1'), { key, value });
  }

  remove(key: Buffer): void {
    this.put(key, undefined);
  }

  /** The change of a key; undefined if it was not changed. */
  get(key: Buffer): Change | undefined {
    return this.#changes.get(key.toString('latin1'));
  }

  /** What the rows of a range (ordered by key) are with the changes made; `end` is exclusive. */
  merge(
    rows: Iterable<{ readonly key: Buffer; readonly value: unknown }>,
    range: { readonly start: Buffer; readonly end: Buffer },
  ): { readonly key: Buffer; readonly value: unknown }[] {
    const start = range.start.toString('latin1');
    const end = range.end.toString('latin1');
    const merged = new Map<string, Change>();
    for (const row of rows) merged.set(row.key.toString('latin1'), row);
    for (const [name, change] of this.#changes) {
      if (name < start || name >= end) continue;
      if (change.value === undefined) merged.delete(name);
      else merged.set(name, change);
    }
    const names = [...merged.keys()].sort((a, b) => (a < b ? -1 : 1));
    return names.map((name) => merged.get(name)!);
  }

  [Symbol.iterator](): Iterator<Change> {
    return this.#changes.values();
  }
}
