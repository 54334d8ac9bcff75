import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import * as zlib from 'node:zlib';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { type Bytes, compress, compressionOf, decompress } from '../../../src/diff/compression.js';
import { ZSTD_READERS } from '../../../src/diff/zstd.js';
import { StoreError } from '../../../src/errors.js';
import { describeWith } from '../../requires.js';

async function* pieces(bytes: Uint8Array, step: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
}

async function collect(stream: Bytes): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function kindOfFailure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof StoreError)) throw new Error(`no StoreError: ${String(error)}`);
  return error.kind;
}

const text = Buffer.from('some text, '.repeat(40_000));
const noise = randomBytes(300_000);
const both = Buffer.concat([text, noise]);

test('the kind is read from the first bytes', () => {
  expect(compressionOf(gzipSync(text))).toBe('gzip');
  expect(compressionOf(Buffer.from('28b52ffd', 'hex'))).toBe('zstd');
  expect(compressionOf(Buffer.from('5a2a4d1800000000', 'hex'))).toBe('zstd');
  expect(compressionOf(Buffer.from('some/file\0'))).toBe('none');
  expect(compressionOf(Buffer.from('BZh.txt\0'))).toBe('none');
  expect(compressionOf(Buffer.alloc(0))).toBe('none');
  expect(() => compressionOf(Buffer.from('fd377a585a00', 'hex'))).toThrow(/compressed with xz/);
  expect(() => compressionOf(Buffer.from('BZh91AY&SY'))).toThrow(/compressed with bzip2/);
});

test('an uncompressed stream passes unchanged, also one shorter than any magic', async () => {
  expect((await collect(decompress(pieces(both, 1000)))).equals(both)).toBe(true);
  expect((await collect(decompress(pieces(Buffer.from('ab'), 1)))).toString()).toBe('ab');
  expect(await collect(decompress(pieces(Buffer.alloc(0), 1)))).toHaveLength(0);
});

test('all members of a gzip stream are read', async () => {
  const stream = Buffer.concat([gzipSync(text), gzipSync(Buffer.alloc(0)), gzipSync(noise)]);
  for (const step of [stream.length, 4099]) {
    expect((await collect(decompress(pieces(stream, step)))).equals(both)).toBe(true);
  }
});

test('a gzip stream that is cut or damaged is corrupt', async () => {
  const stream = gzipSync(noise);
  expect(await kindOfFailure(collect(decompress(pieces(stream.subarray(0, -9), 1000))))).toBe('corrupt');
  const damaged = Buffer.from(stream);
  damaged[stream.length - 6]! ^= 1;
  expect(await kindOfFailure(collect(decompress(pieces(damaged, 1000))))).toBe('corrupt');
});

test('a failure of the source arrives as it is', async () => {
  const source = (async function* () {
    yield gzipSync(noise).subarray(0, 5000);
    throw new StoreError('canceled', 'cannot pull', 'interrupted');
  })();
  expect(await kindOfFailure(collect(decompress(source)))).toBe('canceled');
});

test('gzip output names no time, file or system, and is the same each time', async () => {
  const first = await collect(compress(pieces(both, 5000), 'gzip'));
  const second = await collect(compress(pieces(both, 70_000), 'gzip'));
  expect(first.equals(second)).toBe(true);
  expect(first.subarray(0, 10).toString('hex')).toBe('1f8b08000000000000ff');
  expect(gunzipSync(first).equals(both)).toBe(true);
});

describeWith(['program:zstd'], 'zstd', () => {
  const frame = (bytes: Uint8Array, ...args: string[]) => {
    return spawnSync('zstd', ['-cq', ...args], { input: bytes, maxBuffer: 1 << 26 }).stdout;
  };
  const skippable = Buffer.from('502a4d1805000000aabbccddee', 'hex');
  const stream = Buffer.concat([
    skippable,
    frame(text, '--no-check'),
    skippable,
    frame(noise),
    Buffer.from('582a4d1800000000', 'hex'),
    frame(Buffer.alloc(0)),
    frame(Buffer.alloc(200_000)),
  ]);
  const content = Buffer.concat([both, Buffer.alloc(200_000)]);

  for (const [at, name] of ['Node', 'the program', 'fzstd'].entries()) {
    // Node decodes zstd itself since 22.15; before, the other two are all there is.
    if (name === 'Node' && !('createZstdDecompress' in zlib)) continue;
    test(`${name} reads all frames and skips what is to be skipped`, async () => {
      for (const step of [stream.length, 997]) {
        const read = await ZSTD_READERS[at]!(pieces(stream, step));
        if (read === undefined) throw new Error(`${name} has no zstd here`);
        expect((await collect(read)).equals(content)).toBe(true);
      }
    });

    test(`${name} finds damage and a missing end`, async () => {
      for (const bytes of [
        stream.subarray(0, -1),
        stream.subarray(0, 200_000),
        Buffer.concat([stream, Buffer.from('rubbish')]),
      ]) {
        const read = await ZSTD_READERS[at]!(pieces(bytes, 5000));
        if (read === undefined) throw new Error(`${name} has no zstd here`);
        expect(await kindOfFailure(collect(read))).toBe('corrupt');
      }
    });
  }

  test('what is compressed is read again', async () => {
    const compressed = await collect(compress(pieces(both, 5000), 'zstd'));
    expect(compressed.length).toBeLessThan(both.length);
    expect((await collect(decompress(pieces(compressed, 1000)))).equals(both)).toBe(true);
  });

  test('a reader that stops early leaves nothing running', async () => {
    const read = await ZSTD_READERS[1]!(pieces(stream, 5000));
    for await (const chunk of read!) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
  });
});
