// Archives that somebody damaged or made up: whatever the bytes, an import ends in an image or in one StoreError
// with the store as it was.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestOf, isDigest } from '../../../src/digest.js';
import { StoreError } from '../../../src/errors.js';
import { importImage } from '../../../src/images/import.js';
import {
  buildImage,
  dockerFiles,
  type Files,
  file,
  json,
  layerTar,
  layoutFiles,
  tarOf,
} from '../../fixtures/oci.js';
import { memStore, stateOf } from '../../fixtures/store.js';

const image = buildImage([layerTar([file('a', 'one')]), layerTar([file('b/'), file('b/c', 'two')])]);
const plain = buildImage([layerTar([file('a', 'one')])], { compression: 'none' });

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

/** Imports what the standard input gives; true if that made an image. */
async function survives(archive: Uint8Array): Promise<boolean> {
  const store = memStore();
  const before = await stateOf(store);
  try {
    await importImage(store, '-', { stdin: once(archive), unpack: false, name: 'x' });
  } catch (error) {
    expect(error).toBeInstanceOf(StoreError);
    expect((error as StoreError).kind).not.toBe('failed');
    expect((error as Error).message).not.toContain('\n');
    expect(await stateOf(store)).toEqual(before);
    return false;
  }
  expect(store.images.get('x')).toBeDefined();
  for await (const { digest } of store.content.walk()) {
    expect(digestOf(await store.content.read(digest))).toBe(digest);
  }
  return true;
}

describe.each([
  ['an OCI archive', layoutFiles([{ name: 'foo', image }])],
  ['a docker-archive', dockerFiles(plain, ['foo:1'])],
])('%s', (_name, files: Files) => {
  const archive = tarOf(files);

  it('survives as it is', async () => {
    expect(await survives(archive)).toBe(true);
  });

  it('may have any bytes changed', async () => {
    const change = fc.tuple(fc.nat(archive.length - 1), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
        const bytes = Buffer.from(archive);
        for (const [at, value] of changes) bytes[at] = value;
        await survives(bytes);
      }),
      { numRuns: 150 },
    );
  });

  it('may be cut anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(archive.length), async (length) => {
        await survives(archive.subarray(0, length));
      }),
      { numRuns: 80 },
    );
  });

  it('may have any value in any of its tables of contents', async () => {
    const names = [...files.keys()].filter((name) => name.endsWith('.json'));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names),
        fc.nat(40),
        fc.jsonValue({ maxDepth: 2 }),
        async (name, at, value) => {
          const table = JSON.parse(Buffer.from(files.get(name)!).toString()) as unknown;
          replaceNth(table, { left: at }, value);
          await survives(tarOf(new Map(files).set(name, json(table))));
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('a manifest and a config', () => {
  it('may say anything', async () => {
    const part = fc.constantFrom<'config' | 'manifest'>('config', 'manifest');
    const fields = fc.dictionary(
      fc.constantFrom(
        'layers',
        'config',
        'rootfs',
        'history',
        'architecture',
        'os',
        'mediaType',
        'schemaVersion',
      ),
      fc.jsonValue({ maxDepth: 3 }),
      { maxKeys: 3 },
    );
    await fc.assert(
      fc.asyncProperty(part, fields, async (which, values) => {
        const built = buildImage([layerTar([file('a', 'one')])], { [which]: values });
        expect(isDigest(built.descriptor.digest)).toBe(true);
        await survives(tarOf(layoutFiles([{ name: 'foo', image: built }])));
      }),
      { numRuns: 100 },
    );
  });
});

/** Puts `value` in place of the nth value met on a walk. */
function replaceNth(at: unknown, count: { left: number }, value: unknown): void {
  if (typeof at !== 'object' || at === null) return;
  const holder = at as Record<string, unknown>;
  for (const key of Object.keys(holder)) {
    if (count.left-- === 0) {
      holder[key] = value;
      return;
    }
    replaceNth(holder[key], count, value);
  }
}
