// A transaction as the rows see it: paths of text in, values out. Both kinds are valid only inside the function
// that was given them, which is synchronous: LMDB's write lock is held by the thread.

/** A path through the tree of schema.ts: text parts, none empty, none with a NUL. */
export type Key = readonly [string, ...string[]];

export interface Row<T> {
  /** The last part of the key. */
  readonly name: string;
  readonly value: T;
}

export interface ReadTx {
  /** The value as it was put: whoever wrote the tree vouches for `T`. */
  get<T>(key: Key): T | undefined;
  /** The rows directly or further below `prefix`, ordered by the bytes of their keys. */
  list<T>(prefix: Key): readonly Row<T>[];
  /** Those rows with their keys, whole. */
  entries(prefix: Key): readonly { readonly key: readonly string[]; readonly value: unknown }[];
  /** The keys of those rows alone, whole. */
  keys(prefix: Key): readonly (readonly string[])[];
}

export interface WriteTx extends ReadTx {
  put(key: Key, value: unknown): void;
  /** False if there was nothing. */
  remove(key: Key): boolean;
}
