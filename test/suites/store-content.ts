// What stores of ours keep beyond the contract that containerd has: `ownContentSuite` also through a server, and
// `storeContentSuite` where the files are at hand.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Content, StoreContent } from '../../src/content/content.js';
import { digestOf } from '../../src/digest.js';

interface UnderTest<C extends Content> {
  readonly content: C;
  /** The content of another namespace over the same bytes. */
  readonly other: C;
  remove(): Promise<void>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const HELLO = bytes('hello, layers');
const DIGEST = digestOf(HELLO);

async function written(content: Content, ref: string, text: string): Promise<void> {
  const writer = await content.writer({ ref });
  await writer.write(bytes(text));
  await writer.close();
}

interface OwnUnderTest extends UnderTest<Content> {
  /** Lets namespaces share nothing but what `other` has, if it is shareable. */
  isolate(shareable: boolean): Promise<void>;
}

export function ownContentSuite(name: string, make: () => Promise<OwnUnderTest>): void {
  describe(`${name} as a content store of ours`, () => {
    let under: OwnUnderTest;
    let content: Content;

    beforeEach(async () => {
      under = await make();
      content = under.content;
    });
    afterEach(() => under.remove());

    test('an ingest on its way to another digest begins again', async () => {
      const first = await content.writer({ ref: 'r', expected: digestOf('other') });
      await first.write(bytes('oth'));
      await first.close();
      const second = await content.writer({ ref: 'r', expected: DIGEST });
      expect(second.offset).toBe(0);
      await second.close();
      expect(await content.status('r')).toMatchObject({ expected: DIGEST });
    });

    test('an ingest on its way to another size begins again, and one of unknown size goes on', async () => {
      const first = await content.writer({ ref: 'r' });
      await first.write(bytes('hello, '));
      await first.close();
      const second = await content.writer({ ref: 'r', expected: DIGEST, total: 13 });
      expect(second.status()).toMatchObject({ offset: 7, total: 13, expected: DIGEST });
      await second.close();
      expect(await content.status('r')).toMatchObject({ offset: 7, total: 13, expected: DIGEST });
      const third = await content.writer({ ref: 'r', total: 14 });
      expect(third.status()).toMatchObject({ offset: 0, total: 14 });
      await third.close();
    });

    test('an ingest is not removed while it is written', async () => {
      const writer = await content.writer({ ref: 'r' });
      await expect(content.abort('r')).rejects.toMatchObject({ kind: 'unavailable' });
      await writer.close();
      await content.abort('r');
    });

    test('a status tells which blob an ingest becomes', async () => {
      const writer = await content.writer({ ref: 'r', expected: DIGEST });
      await writer.write(bytes('hel'));
      await writer.close();
      expect(await content.statuses()).toMatchObject([{ ref: 'r', offset: 3, expected: DIGEST }]);
    });

    test('isolated, a namespace that is shareable still gives, and it alone', async () => {
      await under.other.put('r', HELLO);
      await content.put('r', bytes('mine'));
      await under.isolate(true);
      const writer = await content.writer({ ref: 'r', expected: DIGEST });
      expect(writer.offset).toBe(13);
      expect(await writer.commit()).toMatchObject({ digest: DIGEST });
      const others = await under.other.writer({ ref: 'r', expected: digestOf('mine') });
      expect(others.offset).toBe(0);
      await others.close();
    });

    test('blobs are found by their size', async () => {
      for (const text of ['a', 'bb', 'cc']) await content.put(text, bytes(text), { text });
      const found: unknown[] = [];
      for await (const { labels } of content.walk(['size==2,labels.text!=bb'])) found.push(labels['text']);
      expect(found).toEqual(['cc']);
    });
  });
}

export function storeContentSuite(name: string, make: () => Promise<UnderTest<StoreContent>>): void {
  describe(`${name} as a content store with its files at hand`, () => {
    let under: UnderTest<StoreContent>;
    let content: StoreContent;

    beforeEach(async () => {
      under = await make();
      content = under.content;
    });
    afterEach(() => under.remove());

    test('the bytes of an ingest are read while they come, and after its writer has ended', async () => {
      await written(content, 'r', 'hello');
      const writer = await content.writer({ ref: 'r' });
      const reader = await writer.reader();
      const read = async (offset: number): Promise<string> => {
        const into = new Uint8Array(20);
        return Buffer.from(into.subarray(0, await reader.readAt(into, offset))).toString();
      };
      try {
        expect(await read(0)).toBe('hello');
        await writer.write(bytes(', layers'));
        expect(await read(5)).toBe(', layers');
        await writer.commit();
        expect(await read(0)).toBe('hello, layers');
        expect(await read(13)).toBe('');
      } finally {
        await reader.close();
      }
      await expect(writer.reader()).rejects.toMatchObject({ kind: 'failed-precondition' });
    });

    test('the bytes of a shared blob are read before it is committed here', async () => {
      await under.other.put('r', HELLO);
      const writer = await content.writer({ ref: 'r', expected: DIGEST });
      const reader = await writer.reader();
      const start = new Uint8Array(5);
      expect([await reader.readAt(start, 0), Buffer.from(start).toString()]).toEqual([5, 'hello']);
      await reader.close();
      await writer.close();
    });

    test('cut to some of its bytes, an ingest goes on from there', async () => {
      const writer = await content.writer({ ref: 'r' });
      await writer.write(HELLO);
      await writer.truncate(5);
      expect([writer.offset, writer.digest()]).toEqual([5, digestOf('hello')]);
      expect(writer.status().offset).toBe(5);
      await writer.write(HELLO.subarray(5));
      expect(await writer.commit()).toMatchObject({ digest: DIGEST });
      expect(await content.read(DIGEST)).toEqual(HELLO);
    });

    test('a shared blob that is cut becomes bytes of the writer’s own', async () => {
      await under.other.put('r', HELLO);
      const writer = await content.writer({ ref: 'r', expected: DIGEST });
      await writer.truncate(5);
      expect(writer.digest()).toBe(digestOf('hello'));
      await writer.write(bytes(', others'));
      await expect(writer.commit()).rejects.toMatchObject({ kind: 'failed-precondition' });
    });
  });
}
