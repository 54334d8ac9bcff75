// The framing of a layer's tar (diff/tar-split.ts) in a file beside its folder, `snapshots/<id>/tar-split.json.gz`: it
// comes and goes with the snapshot and needs no row. It has its name only when it is complete and durable, and is made
// only where the tar that it gives back has been held against the diff ID.

import { createReadStream, createWriteStream, existsSync, readdirSync, rmSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip, type Gzip } from 'node:zlib';
import type { Filesystem } from '../../fs/index.js';
import type { Bytes } from '../diff/compression.js';
import { contentIn } from '../diff/content-of.js';
import { Crc64 } from '../diff/crc64.js';
import { gunzip } from '../diff/gzip.js';
import {
  type FramingRecord,
  framingLine,
  readFraming,
  replayFraming,
  TarFraming,
} from '../diff/tar-split.js';
import { type Digest, Digester } from '../digest.js';
import { isKind, StoreError } from '../errors.js';
import { isAlive } from '../images/leftovers.js';

export function journalPath(snapshots: string, id: string): string {
  return join(snapshots, id, 'tar-split.json.gz');
}

/** A journal that is being written, under a name of its own. Exactly one of `keep` and `discard` ends it. */
export class NewJournal {
  readonly #path: string;
  readonly #part: string;
  readonly #gzip: Gzip = createGzip();
  readonly #written: Promise<void>;
  #lines = '';
  #position = 0;

  /** `path`: where it is to be when it is kept. */
  constructor(path: string) {
    this.#path = path;
    this.#part = `${path}.${process.pid}.part`;
    removeLeft(path);
    this.#written = pipeline(this.#gzip, createWriteStream(this.#part, { mode: 0o600 }));
    // `flush` and `close` throw it.
    this.#written.catch(() => undefined);
  }

  readonly put = (record: FramingRecord): void => {
    this.#lines += framingLine(record, this.#position++);
  };

  /** To be called now and then: what was put is on its way when it returns. */
  async flush(): Promise<void> {
    if (this.#lines === '') return;
    const full = !this.#gzip.write(this.#lines);
    this.#lines = '';
    if (full)
      await Promise.race([this.#written, new Promise((resolve) => this.#gzip.once('drain', resolve))]);
  }

  /** Ends the writing; the file can be read at the returned path. */
  async close(): Promise<string> {
    await this.flush();
    this.#gzip.end();
    await this.#written;
    return this.#part;
  }

  /** After `close`: gives it its name. */
  async keep(): Promise<void> {
    await sync(this.#part);
    await rename(this.#part, this.#path);
    await sync(dirname(this.#path));
  }

  async discard(): Promise<void> {
    this.#gzip.destroy();
    await this.#written.catch(() => undefined);
    await rm(this.#part, { force: true });
  }
}

/** Removes what processes that died were writing. */
function removeLeft(path: string): void {
  const folder = dirname(path);
  for (const name of readdirSync(folder)) {
    const pid = name.startsWith(`${basename(path)}.`) ? /\.(\d+)\.part$/.exec(name)?.[1] : undefined;
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(folder, name), { force: true });
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The tar that the journal at `path` and the files of a tree say. corrupt where a file is not what it was. */
export function tarOf(path: string, tree: Filesystem): AsyncGenerator<Uint8Array, void> {
  return replayFraming(readFraming(gunzip(createReadStream(path))), contentIn(tree));
}

/** As `tarOf`, and corrupt at its end unless it has the diff ID. */
export async function* verifiedTar(
  path: string,
  tree: Filesystem,
  diffId: Digest,
): AsyncGenerator<Uint8Array, void> {
  if (!existsSync(path)) {
    throw new StoreError(
      'not-found',
      `cannot give back the tar of layer ${diffId}`,
      'its framing was not kept',
      {
        hint: 'mica content get gives its blob, where that is there',
      },
    );
  }
  const digester = new Digester();
  for await (const chunk of tarOf(path, tree)) {
    digester.update(chunk);
    yield chunk;
  }
  const actual = digester.digest();
  if (actual === diffId) return;
  throw new StoreError('corrupt', `cannot give back the tar of layer ${diffId}`, `it came out as ${actual}`);
}

/** True if the journal at `path` and the tree give back a tar of this diff ID. */
export async function givesBack(path: string, tree: Filesystem, diffId: Digest): Promise<boolean> {
  try {
    for await (const _ of verifiedTar(path, tree, diffId));
    return true;
  } catch (error) {
    if (isKind(error, 'corrupt')) return false;
    throw error;
  }
}

/**
 * Makes the journal of a layer whose tree is there, of its tar, which is read twice: a file that the tree does not have as
 * the archive has it (an entry that a later one replaced, the content of a mark) is kept in the journal. corrupt if the tar
 * is not that of the diff ID.
 */
export async function writeJournal(
  path: string,
  tar: () => Bytes,
  tree: Filesystem,
  diffId: Digest,
): Promise<void> {
  const kept = await entriesToKeep(tar(), tree);
  const journal = new NewJournal(path);
  try {
    const framing = new TarFraming(journal.put, { keeps: (entry) => kept.has(entry) });
    for await (const chunk of tar()) {
      framing.push(chunk);
      await journal.flush();
    }
    framing.finish();
    if (!(await givesBack(await journal.close(), tree, diffId))) {
      throw new StoreError('corrupt', `cannot keep the framing of layer ${diffId}`, 'its tar is another');
    }
    await journal.keep();
  } catch (error) {
    await journal.discard();
    throw error;
  }
}

/** The numbers of the entries whose content the tree does not have. */
async function entriesToKeep(tar: Bytes, tree: Filesystem): Promise<ReadonlySet<number>> {
  const contentOf = contentIn(tree);
  const kept = new Set<number>();
  let entry = 0;
  const framing = new TarFraming((record) => {
    if (record.type !== 'file') return;
    if (record.size > 0 && !hasContent(contentOf(record.name), record)) kept.add(entry);
    entry++;
  });
  for await (const chunk of tar) framing.push(chunk);
  framing.finish();
  return kept;
}

function hasContent(
  content: Iterable<Uint8Array> | undefined,
  { size, crc }: Extract<FramingRecord, { type: 'file' }>,
): boolean {
  if (content === undefined || crc === undefined) return false;
  const actual = new Crc64();
  let done = 0;
  for (const chunk of content) {
    actual.update(chunk);
    done += chunk.length;
  }
  return done === size && Buffer.compare(actual.digest(), crc) === 0;
}
