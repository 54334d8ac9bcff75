// The upper of a mount is exchanged while it is served (fs/union/switch-upper.ts, rollback.ts): what is asked for and
// answered, and the marker by which everybody else can tell whether it was. Before the marker is there the old upper is
// the one that counts, and afterwards the new one, whoever dies in between; it lies outside of both. It tells which files
// went over to the new upper, of which the old one must get copies before anybody believes that it will not change.

import { Buffer } from 'node:buffer';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Stale } from '../filesystem.js';
import type { LowerDescription, UpperDescription } from '../layer/open-stack.js';
import { fromBytes, toBytes } from '../name.js';
import type { HandedOver } from '../union/hand-over.js';

/** An empty `upper` takes the place of the one that there is. */
export interface ExchangeRequest {
  readonly op: 'exchange';
  readonly upper: UpperDescription;
  /** What the old one is from now on, as the topmost lower; absent: no part of the mount. */
  readonly below?: LowerDescription;
  /** A file that is not there. */
  readonly marker: string;
}

export interface ExchangeReply {
  /** How long no request was answered. */
  readonly stoppedMs: number;
  /** Names of files that went over. */
  readonly handedOver: number;
  /** For the transport. */
  readonly stale?: Stale;
}

/** As it stands in the marker: names are bytes. */
interface Written {
  readonly dir: string;
  readonly name: string;
  readonly ino: number;
}

export function writeMarker(path: string, list: readonly HandedOver[]): void {
  const text = (name: string) => Buffer.from(toBytes(name)).toString('base64');
  const written: Written[] = list.map(({ dir, name, ino }) => ({ dir: text(dir), name: text(name), ino }));
  const fresh = `${path}.new`;
  writeFileSync(fresh, JSON.stringify(written), { mode: 0o600 });
  renameSync(fresh, path);
}

/** What a marker tells; undefined if there is none. */
export function readMarker(path: string): readonly HandedOver[] | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
  const name = (base64: string) => fromBytes(Buffer.from(base64, 'base64'));
  const written = JSON.parse(text) as readonly Written[];
  return written.map((one) => ({ dir: name(one.dir), name: name(one.name), ino: one.ino }));
}
