// Names are bytes, whichever way they come to be strings.

import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';
import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';
import * as inNode from '../../fs/name.js';

/** What a page of a browser has of `fs/name.ts`: no Buffer. */
async function inBrowser(): Promise<typeof inNode> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../../fs/name.ts', import.meta.url))],
    bundle: true,
    format: 'iife',
    globalName: 'names',
    platform: 'browser',
    target: 'es2022',
    write: false,
  });
  return runInNewContext(`${outputFiles[0]!.text}; names`, { TextDecoder, TextEncoder });
}

const bytes = new Uint8Array(new SharedArrayBuffer(20_000), 8).map((_, i) => (i * 131 + (i >> 8)) & 255);
const codes = [...bytes].map((byte) => String.fromCharCode(byte)).join('');

describe.each([
  ['in Node', async () => inNode],
  ['in a browser', inBrowser],
])('%s', (_, load) => {
  test('bytes of every value and in any number become one character each', async () => {
    const { fromBytes, toBytes } = await load();
    expect(new Set(codes).size).toBe(256);
    for (const length of [0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 60, 255, 4096, 8191, 8192, 8193, 16_385])
      for (const start of [0, 1, 7]) {
        expect(fromBytes(bytes, start, start + length)).toBe(codes.slice(start, start + length));
      }
    expect(fromBytes(bytes)).toBe(codes);
    expect([...toBytes(codes)]).toEqual([...bytes]);
  });

  test('of bytes that there are none of nothing is made', async () => {
    const { fromBytes } = await load();
    const three = Uint8Array.of(0x61, 0xff, 0);
    expect(fromBytes(three, 1, 9)).toBe('\xff\0');
    expect(fromBytes(three, 3)).toBe('');
    expect(fromBytes(three, 5, 9)).toBe('');
    expect(fromBytes(three, 2, 1)).toBe('');
  });
});
