// One ingest on disk: ingest/<sha256 hex of the ref>/{ref,startedat,updatedat,total,expected,data}, containerd's
// layout (`expected` is ours). All but `data` are written once, by the first writer that knows; whoever changes anything
// holds the folder's lock. A folder without a readable `ref` was cut short while it was made, and is made again.

import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestHex, digestOf } from '../digest.js';
import { timeNow, timeOfNs } from '../time.js';
import type { IngestStatus, WriterOptions } from './content.js';
import { type FolderLock, lockFolder } from './folder-lock.js';
import { beingWritten, onTheWayElsewhere } from './row-content.js';
import { hasCode } from './system-error.js';

export interface LockedIngest {
  readonly folder: string;
  readonly lock: FolderLock;
  /** As it was found, or begun. */
  readonly status: IngestStatus;
}

export function ingestFolder(ingests: string, scopedRef: string): string {
  return join(ingests, digestHex(digestOf(scopedRef)));
}

/** The ingest of `scopedRef`, new or where it ended, locked. unavailable if somebody writes it. */
export async function lockIngest(
  ingests: string,
  scopedRef: string,
  options: WriterOptions,
): Promise<LockedIngest> {
  const folder = ingestFolder(ingests, scopedRef);
  const lock = await lockMade(folder, `cannot write ingest ${options.ref}`);
  try {
    const found = await readStatus(folder);
    const goesOn = found?.ref === scopedRef && !onTheWayElsewhere(found, options);
    const status = goesOn ? await learn(folder, found, options) : await begin(folder, scopedRef, options);
    return { folder, lock, status: { ...status, ref: options.ref } };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Removes a locked ingest and its lock. */
export async function removeIngest(ingest: Omit<LockedIngest, 'status'>): Promise<void> {
  await rm(ingest.folder, { recursive: true, force: true });
  ingest.lock.release();
}

/** What the folder says of its ingest, with the scope still in the ref; undefined if it is none (yet). */
export async function readStatus(folder: string): Promise<IngestStatus | undefined> {
  const ref = await text(join(folder, 'ref'));
  if (ref === undefined) return undefined;
  const data = await statIfThere(join(folder, 'data'));
  const startedAt = (await text(join(folder, 'startedat'))) ?? timeNow();
  const expected = await text(join(folder, 'expected'));
  return {
    ref,
    offset: Number(data?.size ?? 0),
    total: Number((await text(join(folder, 'total'))) ?? 0),
    ...(expected === undefined ? {} : { expected }),
    startedAt,
    updatedAt: data === undefined ? startedAt : later(startedAt, timeOfNs(data.mtimeNs)),
  };
}

/** The kernel stamps files with a clock of some milliseconds, which lags behind the one that `startedat` is from. */
function later(a: string, b: string): string {
  return a > b ? a : b;
}

async function lockMade(folder: string, what: string): Promise<FolderLock> {
  for (;;) {
    try {
      await mkdir(folder, { recursive: true });
    } catch (error) {
      // Node looks at a folder that it finds there, which may be gone by then.
      if (!hasCode(error, 'ENOENT')) throw error;
      continue;
    }
    const lock = lockFolder(folder);
    if (lock === 'busy') throw beingWritten(what);
    // A writer that committed or gave up in this moment took the folder along.
    if (lock !== 'gone') return lock;
  }
}

async function begin(folder: string, scopedRef: string, options: WriterOptions): Promise<IngestStatus> {
  const now = timeNow();
  await rm(join(folder, 'data'), { force: true });
  await rm(join(folder, 'total'), { force: true });
  await rm(join(folder, 'expected'), { force: true });
  await writeFile(join(folder, 'startedat'), now);
  await writeFile(join(folder, 'updatedat'), now);
  const begun = await learn(
    folder,
    { ref: '', offset: 0, total: 0, startedAt: now, updatedAt: now },
    options,
  );
  await writeFile(join(folder, 'ref'), scopedRef);
  return { ...begun, ref: scopedRef };
}

/** Writes down what nobody knew of the ingest before. */
async function learn(folder: string, known: IngestStatus, told: WriterOptions): Promise<IngestStatus> {
  const total = known.total || (told.total ?? 0);
  const expected = known.expected ?? told.expected;
  if (total !== known.total) await writeFile(join(folder, 'total'), String(total));
  if (expected !== undefined && expected !== known.expected)
    await writeFile(join(folder, 'expected'), expected);
  return { ...known, total, ...(expected === undefined ? {} : { expected }) };
}

async function text(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function statIfThere(path: string): Promise<{ size: bigint; mtimeNs: bigint } | undefined> {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
