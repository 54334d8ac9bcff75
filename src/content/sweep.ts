// What garbage collection removes of content on disk: files of blobs that no namespace names, and ingests that nobody
// went on with for a day. A file goes inside a transaction that finds no row of it, so that nobody can name it in the
// same moment (local-writer.ts); an ingest while its lock is held.

import { lstatSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../digest.js';
import { msOfTime } from '../time.js';
import { lockFolder } from './folder-lock.js';
import { readStatus, removeIngest } from './ingest.js';
import { hasCode } from './system-error.js';

/** How long an ingest that no lease holds is kept after its last byte (containerd, `metadata/content.go`). */
export const INGEST_TTL_MS = 24 * 60 * 60 * 1000;
/** Files that go in one transaction, which keeps other processes waiting. */
const BATCH = 1024;

/** The rows of all namespaces, as far as files need them. */
export interface BlobNames {
  /** Every digest that some namespace names. */
  all(): ReadonlySet<Digest>;
  /** Runs `act` for those that no namespace names, while none can be named. */
  unlessNamed(digests: readonly Digest[], act: (digest: Digest) => void): Promise<void>;
}

/** `size` is what its removal gives back. */
export interface Swept {
  readonly name: string;
  readonly size: number;
}

/** Removes the files of `folder` (ROOT/content) that no namespace names, some at a time. */
export async function* sweepBlobs(folder: string, names: BlobNames): AsyncGenerator<readonly Swept[], void> {
  const unnamed = [...unnamedDigests(folder, names.all())];
  for (let at = 0; at < unnamed.length; at += BATCH) {
    const swept: Swept[] = [];
    await names.unlessNamed(unnamed.slice(at, at + BATCH), (digest) => {
      const size = sizeOf(folder, digest);
      if (size === undefined) return;
      rmSync(pathOf(folder, digest), { force: true });
      swept.push({ name: digest, size });
    });
    yield swept;
  }
}

/** What `sweepBlobs` would remove now. */
export function* unnamedFiles(folder: string, named: ReadonlySet<Digest>): Generator<Swept, void> {
  for (const digest of unnamedDigests(folder, named)) {
    const size = sizeOf(folder, digest);
    if (size !== undefined) yield { name: digest, size };
  }
}

function* unnamedDigests(folder: string, named: ReadonlySet<Digest>): Generator<Digest, void> {
  for (const name of namesIn(join(folder, 'blobs', 'sha256'))) {
    const digest = `sha256:${name}`;
    if (/^[0-9a-f]{64}$/.test(name) && !named.has(digest)) yield digest;
  }
}

export interface IngestLimits {
  readonly nowMs: number;
  /** `<namespace>/<ref>` of those that leases hold. */
  readonly leased: ReadonlySet<string>;
}

/** The ingests of `folder` (ROOT/content) that expired, by `<namespace>/<ref>`; removes them if `remove`. */
export async function* expiredIngests(
  folder: string,
  limits: IngestLimits,
  remove: boolean,
): AsyncGenerator<Swept, void> {
  for (const name of namesIn(join(folder, 'ingest'))) {
    const path = join(folder, 'ingest', name);
    if ((await expired(path, limits)) === undefined) continue;
    // Who goes on with it just now has the lock.
    const lock = lockFolder(path);
    if (lock === 'busy' || lock === 'gone') continue;
    const found = await expired(path, limits);
    if (found !== undefined && remove) await removeIngest({ folder: path, lock });
    else lock.release();
    if (found !== undefined) yield found;
  }
}

/** An ingest that was cut short while it was made has no ref yet. */
async function expired(path: string, { nowMs, leased }: IngestLimits): Promise<Swept | undefined> {
  const status = await readStatus(path);
  if (status !== undefined && leased.has(status.ref)) return undefined;
  const lastMs = status === undefined ? mtimeOf(path) : msOfTime(status.updatedAt);
  if (lastMs === undefined || lastMs + INGEST_TTL_MS > nowMs) return undefined;
  return { name: status?.ref ?? path, size: status?.offset ?? 0 };
}

function mtimeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}

function sizeOf(folder: string, digest: Digest): number | undefined {
  return lstatSync(pathOf(folder, digest), { throwIfNoEntry: false })?.size;
}

function pathOf(folder: string, digest: Digest): string {
  return join(folder, 'blobs', 'sha256', digest.slice('sha256:'.length));
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
