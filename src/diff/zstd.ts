// zstd by the first of three that is here: Node's own (22.15 and up), the program `zstd`, the package fzstd,
// which decompresses only. No native package is needed for any of them.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Duplex, PassThrough, type Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { type ErrorKind, StoreError } from '../errors.js';
import type { Bytes } from './compression.js';
import { through } from './through.js';
import { type FramePart, zstdFrames } from './zstd-frames.js';

const CHUNK = 256 << 10;

/** ZSTD_c_compressionLevel. */
const LEVEL_PARAMETER = 100;

/** What newer releases have and the types of the oldest supported one do not name. */
interface ZstdInZlib {
  readonly createZstdDecompress?: (options: { chunkSize: number }) => Transform;
  readonly createZstdCompress?: (options: {
    chunkSize: number;
    params: Readonly<Record<number, number>>;
  }) => Transform;
}

const builtIn: ZstdInZlib = zlib as ZstdInZlib;

/** Ways to decompress, best first. Each answers undefined where it cannot be used. */
export const ZSTD_READERS: readonly ((source: Bytes) => Promise<Bytes | undefined>)[] = [
  async (source) => (builtIn.createZstdDecompress === undefined ? undefined : byNode(source)),
  async (source) => byProgram(source, ['-dcq'], ['corrupt', 'cannot decompress zstd']),
  byFzstd,
];

/** The content of all frames of a zstd stream. Throws 'corrupt', or 'unsupported' where nothing here reads zstd. */
export async function* unzstd(source: Bytes): AsyncGenerator<Uint8Array, void> {
  for (const reader of ZSTD_READERS) {
    const content = await reader(source);
    if (content === undefined) continue;
    yield* content;
    return;
  }
  throw missing('cannot decompress zstd');
}

/** One frame. Throws 'unsupported' where neither Node nor a program compresses. */
export async function* zstd(source: Bytes, level: number): AsyncGenerator<Uint8Array, void> {
  const create = builtIn.createZstdCompress;
  const compressed =
    create === undefined
      ? await byProgram(
          source,
          ['-cq', `-${level}`, '--single-thread'],
          ['failed', 'cannot compress with zstd'],
        )
      : through(source, create({ chunkSize: CHUNK, params: { [LEVEL_PARAMETER]: level } }));
  if (compressed === undefined) throw missing('cannot compress with zstd');
  yield* compressed;
}

function missing(what: string): StoreError {
  return new StoreError('unsupported', what, 'neither this Node nor a program here can', {
    hint: 'install the package zstd, or use Node 22.15 or later',
  });
}

async function* byNode(source: Bytes): AsyncGenerator<Uint8Array, void> {
  const frames = zstdFrames(source);
  let next = await frames.next();
  while (next.done !== true) {
    // Ends with a frame; the stream of frames goes on.
    const frame = oneFrame(next.value, frames);
    try {
      yield* through(frame, builtIn.createZstdDecompress!({ chunkSize: CHUNK }));
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      if (!code.startsWith('ZSTD_') && !code.startsWith('Z_')) throw error;
      throw new StoreError('corrupt', 'cannot decompress zstd', (error as Error).message, { cause: error });
    }
    next = await frames.next();
  }
}

async function* oneFrame(
  first: FramePart,
  frames: AsyncGenerator<FramePart, void>,
): AsyncGenerator<Uint8Array> {
  yield first.bytes;
  let part = first;
  while (!part.last) {
    const next = await frames.next();
    if (next.done === true) return;
    part = next.value;
    yield part.bytes;
  }
}

/** Through the program, or undefined if there is none; `failure` is what it means if the program complains. */
async function byProgram(
  source: Bytes,
  args: readonly string[],
  failure: readonly [kind: ErrorKind, what: string],
): Promise<Bytes | undefined> {
  const child = spawn('zstd', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  try {
    await once(child, 'spawn');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const complaint = new PassThrough({ highWaterMark: 64 << 10 });
  child.stderr.pipe(complaint);
  const ended = once(child, 'close') as Promise<[number | null, string | null]>;
  return (async function* () {
    let complete = false;
    try {
      yield* through(source, Duplex.from({ writable: child.stdin, readable: child.stdout }));
      complete = true;
    } catch (error) {
      // It stopped reading because it gave up; why, it said on stderr.
      if (!(error instanceof Error && 'code' in error && error.code === 'EPIPE')) throw error;
      complete = true;
    } finally {
      if (!complete) child.kill();
    }
    const [code, signal] = await ended;
    if (code === 0) return;
    const why = String(complaint.read() ?? `ended by ${signal ?? code}`).trim();
    throw new StoreError(...failure, why.replace(/^.*?: /s, ''));
  })();
}

async function byFzstd(source: Bytes): Promise<Bytes | undefined> {
  const loaded = await import('fzstd').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  });
  if (loaded === undefined) return undefined;
  const { Decompress } = loaded;
  return (async function* () {
    let out: Uint8Array[] = [];
    const take = (bytes: Uint8Array) => {
      // The decoder goes on to use its block as the window of the next.
      if (bytes.length > 0) out.push(bytes.slice());
    };
    let decoder = new Decompress(take);
    for await (const { bytes, last } of zstdFrames(source)) {
      try {
        decoder.push(bytes, last);
      } catch (error) {
        throw new StoreError('corrupt', 'cannot decompress zstd', String(error), { cause: error });
      }
      if (last) decoder = new Decompress(take);
      yield* out;
      out = [];
    }
  })();
}
