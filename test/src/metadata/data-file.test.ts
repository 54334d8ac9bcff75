import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isKind } from '../../../src/errors.js';
import { assertWhole } from '../../../src/metadata/data-file.js';
import { Metadata } from '../../../src/metadata/db.js';
import type { Key } from '../../../src/metadata/transaction.js';

const PAGE = 4096;
let folder: string;
let copy: string;
let sound: Buffer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'micafs-data-file-'));
  copy = mkdtempSync(join(tmpdir(), 'micafs-data-file-'));
  const metadata = Metadata.open(folder, { durable: false });
  // Small and big values, removed ones too: leaves, branches, overflow pages and a list of free pages.
  for (let i = 0; i < 150; i++) {
    const key: Key = ['v1', 'images', 'default', String((i * 7919) % 100)];
    await metadata.write((tx) => {
      if (i % 5 === 4) tx.remove(key);
      else tx.put(key, 'x'.repeat(i % 10 === 0 ? 20_000 : i));
      assertWhole(folder, 'cannot open');
    });
  }
  await metadata.close();
  sound = readFileSync(join(folder, 'data.mdb'));
}, 60_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(copy, { recursive: true, force: true });
});

/** True if the file is taken for whole, false if it is refused as corrupt. */
function whole(bytes: Uint8Array): boolean {
  writeFileSync(join(copy, 'data.mdb'), bytes);
  try {
    assertWhole(copy, 'cannot open');
    return true;
  } catch (error) {
    if (isKind(error, 'corrupt')) return false;
    throw error;
  }
}

test('a sound file is whole, and so are an empty and a missing one', () => {
  expect(whole(sound)).toBe(true);
  expect(whole(Buffer.alloc(0))).toBe(true);
  rmSync(join(copy, 'data.mdb'));
  expect(() => assertWhole(copy, 'cannot open')).not.toThrow();
});

test('a file cut anywhere is refused, or has all that its rows need', async () => {
  for (let size = PAGE; size < sound.length; size += PAGE) {
    if (!whole(sound.subarray(0, size))) continue;
    expect(await rowsOf(copy)).toEqual(await rowsOf(folder));
  }
  expect(whole(sound.subarray(0, sound.length / 2))).toBe(false);
});

test('every page that is overwritten is missed, unless no row needs it', async () => {
  let refused = 0;
  for (let page = 2; page < sound.length / PAGE; page++) {
    const bytes = Buffer.from(sound).fill(0, page * PAGE, (page + 1) * PAGE);
    if (!whole(bytes)) refused++;
    // Only the head of a run of overflow pages has a frame; the rest holds bytes of a value.
    else
      expect((await rowsOf(copy)).map((row) => row.name)).toEqual(
        (await rowsOf(folder)).map((row) => row.name),
      );
  }
  expect(refused).toBeGreaterThan(10);
});

describe('whatever is written over it', () => {
  test('it is taken or refused, and the look ends', () => {
    fc.assert(
      fc.property(fc.nat(sound.length - 1), fc.uint8Array({ minLength: 1, maxLength: 64 }), (at, bytes) => {
        const damaged = Buffer.from(sound);
        damaged.set(bytes.subarray(0, damaged.length - at), at);
        expect([true, false]).toContain(whole(damaged));
      }),
      { numRuns: 200 },
    );
  });
});

async function rowsOf(from: string) {
  const target = mkdtempSync(join(tmpdir(), 'micafs-data-file-'));
  copyFileSync(join(from, 'data.mdb'), join(target, 'data.mdb'));
  const metadata = Metadata.open(target, { durable: false });
  try {
    return metadata.read((tx) => tx.list<string>(['v1', 'images']));
  } finally {
    await metadata.close();
    rmSync(target, { recursive: true, force: true });
  }
}
