// Partitions: what one served socket keeps, apart from everything else. containerd removes every snapshot in a listing
// of its plugin that it does not know itself, so whoever is such a plugin must list what this client made and nothing more.
//
// A partition is a namespace that no command and no client can name: its row's name has a colon. All that goes over
// namespaces (garbage collection, checks, dumps, disk usage) goes over partitions, too; only lists of namespaces leave them
// out. What lies in one stays until its client removes it.

import { StoreError } from '../errors.js';

const PREFIX = 'partition:';
const LONE_SURROGATE = /\p{Surrogate}/u;
const MAX = 255;

/** The namespace of the partition `name`, by default the path of its socket. invalid-argument for a name that cannot be one. */
export function partitionNamespace(name: string): string {
  const what = `cannot use partition ${JSON.stringify(name.slice(0, MAX))}`;
  if (name === '') throw new StoreError('invalid-argument', what, 'its name is empty');
  if (name.length > MAX)
    throw new StoreError('invalid-argument', what, `a name has at most ${MAX} characters`);
  if (LONE_SURROGATE.test(name))
    throw new StoreError('invalid-argument', what, 'its name is not well-formed text');
  // A namespace is a part of keys and of refs of ingests, where a slash divides.
  return PREFIX + encodeURIComponent(name);
}

/** The name of the partition that a namespace is; undefined for a namespace proper. */
export function partitionOf(namespace: string): string | undefined {
  return namespace.startsWith(PREFIX) ? decodeURIComponent(namespace.slice(PREFIX.length)) : undefined;
}
