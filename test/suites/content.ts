// The contract of Content (src/content/content.ts), for every implementation: what containerd keeps as well.

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Content } from '../../src/content/content.js';
import { goOnAt } from '../../src/content/row-content.js';
import { digestOf } from '../../src/digest.js';
import { timeNow } from '../../src/time.js';

export interface ContentUnderTest {
  readonly content: Content;
  /** The content of another namespace over the same bytes. */
  readonly other: Content;
  /** Lets namespaces share nothing. */
  isolate(): Promise<void>;
  /** Changes the stored bytes of a blob, keeping their number. */
  damage(digest: string): Promise<void>;
  remove(): Promise<void>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const HELLO = bytes('hello, layers');
const DIGEST = digestOf(HELLO);

export function contentSuite(name: string, make: () => Promise<ContentUnderTest>): void {
  describe(`${name} as a content store`, () => {
    let under: ContentUnderTest;
    let content: Content;

    beforeEach(async () => {
      under = await make();
      content = under.content;
    });
    afterEach(() => under.remove());

    async function write(ref: string, text: string): Promise<void> {
      const writer = await content.writer({ ref });
      await writer.write(bytes(text));
      await writer.close();
    }

    test('a blob that was put comes back byte for byte', async () => {
      const info = await content.put('r', HELLO, { kind: 'test' });
      expect(info).toMatchObject({ digest: DIGEST, size: HELLO.length, labels: { kind: 'test' } });
      expect(await content.info(DIGEST)).toEqual(info);
      expect(await content.read(DIGEST)).toEqual(HELLO);
      expect(await content.statuses()).toEqual([]);
    });

    test('putting a blob again is no error, keeps its row and adds labels', async () => {
      const first = await content.put('r', HELLO, { a: '1' });
      const second = await content.put('r2', HELLO, { b: '2' });
      expect(second).toMatchObject({ created: first.created, labels: { a: '1', b: '2' } });
      expect(await content.put('r3', HELLO)).toEqual(second);
    });

    test('puts of one ref at the same time wait for each other', async () => {
      const texts = ['one', 'two', 'three', 'one'];
      await Promise.all(texts.map((text) => content.put('same', bytes(text))));
      for (const text of texts) expect(await content.has(digestOf(text))).toBe(true);
    });

    test('the empty blob is a blob', async () => {
      const empty = new Uint8Array();
      await content.put('r', empty);
      expect(await content.read(digestOf(empty))).toEqual(empty);
    });

    test('a blob appears only at commit', async () => {
      const writer = await content.writer({ ref: 'r', expected: DIGEST, total: HELLO.length });
      await writer.write(HELLO);
      expect(await content.has(DIGEST)).toBe(false);
      await expect(content.open(DIGEST)).rejects.toMatchObject({ kind: 'not-found' });
      await writer.commit();
      expect(await content.has(DIGEST)).toBe(true);
    });

    test('an ingest goes on where its writer closed it, and knows its digest again', async () => {
      await write('r', 'hello, ');
      const status = await content.status('r');
      expect(status).toMatchObject({ ref: 'r', offset: 7, total: 0 });
      expect(status.updatedAt >= status.startedAt).toBe(true);
      const writer = await content.writer({ ref: 'r' });
      expect(writer.offset).toBe(7);
      expect(writer.digest()).toBe(digestOf('hello, '));
      await writer.write(bytes('layers'));
      expect(await writer.commit()).toMatchObject({ digest: DIGEST });
      await expect(content.status('r')).rejects.toMatchObject({ kind: 'not-found' });
    });

    test('a ref has one writer at a time', async () => {
      const writer = await content.writer({ ref: 'r' });
      await expect(content.writer({ ref: 'r' })).rejects.toMatchObject({ kind: 'unavailable' });
      await writer.close();
      const next = await content.writer({ ref: 'r' });
      await next.close();
    });

    test.each([
      ['digest', { expected: digestOf('else') }, {}],
      ['size', { total: 3 }, {}],
      ['digest at commit', {}, { expected: digestOf('else') }],
      ['size at commit', {}, { size: 0 }],
    ])('a wrong %s is refused at commit, and the ingest stays', async (_name, told, options) => {
      const writer = await content.writer({ ref: 'r', ...told });
      await writer.write(HELLO);
      await expect(writer.commit(options)).rejects.toMatchObject({ kind: 'failed-precondition' });
      expect(await content.has(DIGEST)).toBe(false);
      const again = await content.writer({ ref: 'r' });
      expect(again.offset).toBe(HELLO.length);
      await again.commit({ expected: DIGEST, size: HELLO.length });
    });

    test('a label that is too long is refused at commit, and the ingest stays', async () => {
      const writer = await content.writer({ ref: 'r' });
      await writer.write(HELLO);
      const labels = { k: 'v'.repeat(5000) };
      await expect(writer.commit({ labels })).rejects.toMatchObject({ kind: 'invalid-argument' });
      expect((await content.status('r')).offset).toBe(HELLO.length);
    });

    test('an expected blob that exists is refused at opening, and at commit with the ingest gone', async () => {
      const early = await content.writer({ ref: 'early' });
      await early.write(HELLO);
      await content.put('r', HELLO);
      const late = content.writer({ ref: 'late', expected: DIGEST });
      await expect(late).rejects.toMatchObject({ kind: 'already-exists' });
      await expect(early.commit()).rejects.toMatchObject({ kind: 'already-exists' });
      expect(await content.statuses()).toEqual([]);
    });

    test('a writer knows its status: what it was told, where it is and when it got there', async () => {
      const before = timeNow();
      const writer = await content.writer({ ref: 'r', expected: DIGEST, total: 13 });
      const begun = writer.status();
      expect(begun).toMatchObject({ ref: 'r', offset: 0, total: 13, expected: DIGEST });
      expect(begun.startedAt >= before && begun.updatedAt >= before).toBe(true);
      const later = timeNow();
      await writer.write(HELLO);
      expect(writer.status()).toMatchObject({ offset: 13, startedAt: begun.startedAt });
      expect(writer.status().updatedAt >= later).toBe(true);
      await writer.close();
      const again = await content.writer({ ref: 'r', expected: DIGEST, total: 13 });
      expect(again.status()).toMatchObject({ offset: 13, startedAt: begun.startedAt });
      await again.close();
    });

    test.each([0, 13])('cut to %i bytes, an ingest goes on from there', async (size) => {
      const writer = await content.writer({ ref: 'r' });
      await writer.write(bytes('hello, layers'));
      await writer.truncate(size);
      expect([writer.offset, writer.digest()]).toEqual([size, digestOf(HELLO.subarray(0, size))]);
      expect(writer.status().offset).toBe(size);
      await writer.write(HELLO.subarray(size));
      expect(await writer.commit()).toMatchObject({ digest: DIGEST });
      expect(await content.read(DIGEST)).toEqual(HELLO);
    });

    test.each([14, -1, 1.5])('an ingest of 13 bytes is not cut to %d', async (size) => {
      const writer = await content.writer({ ref: 'r' });
      await writer.write(HELLO);
      await expect(writer.truncate(size)).rejects.toMatchObject({ kind: 'out-of-range' });
      expect(writer.offset).toBe(13);
      await writer.close();
    });

    test('bytes go on where they end or from the start, nowhere else', async () => {
      const writer = await content.writer({ ref: 'r' });
      await writer.write(bytes('hello'));
      await expect(goOnAt(writer, 3)).rejects.toMatchObject({ kind: 'out-of-range' });
      await expect(goOnAt(writer, 6)).rejects.toMatchObject({ kind: 'out-of-range' });
      await goOnAt(writer, 5);
      expect(writer.offset).toBe(5);
      await goOnAt(writer, 0);
      expect(writer.status().offset).toBe(0);
      await writer.write(HELLO);
      expect(await writer.commit()).toMatchObject({ digest: DIGEST });
    });

    test('a writer that ended takes no more, and closing it again is harmless', async () => {
      const writer = await content.writer({ ref: 'r' });
      await writer.commit();
      await writer.close();
      await expect(writer.write(HELLO)).rejects.toMatchObject({ kind: 'failed-precondition' });
      await expect(writer.commit()).rejects.toMatchObject({ kind: 'failed-precondition' });
    });

    test('abort removes an ingest; without one it says so', async () => {
      await write('r', 'x');
      await content.abort('r');
      expect(await content.statuses()).toEqual([]);
      await expect(content.abort('r')).rejects.toMatchObject({ kind: 'not-found' });
    });

    test('statuses are ordered by ref and show what the writer was told', async () => {
      await write('b', 'x');
      const writer = await content.writer({ ref: 'a/with: odd\nname', expected: DIGEST, total: 13 });
      await writer.write(bytes('hel'));
      expect(await content.statuses()).toMatchObject([
        { ref: 'a/with: odd\nname', offset: 3, total: 13 },
        { ref: 'b', offset: 1, total: 0 },
      ]);
      await writer.close();
    });

    test.each(['', 'x'.repeat(1025)])('a ref of %j is invalid', async (ref) => {
      await expect(content.writer({ ref })).rejects.toMatchObject({ kind: 'invalid-argument' });
      await expect(content.status(ref)).rejects.toMatchObject({ kind: 'invalid-argument' });
      await expect(content.abort(ref)).rejects.toMatchObject({ kind: 'invalid-argument' });
    });

    test('what is no digest is invalid', async () => {
      for (const invalid of [
        () => content.info('sha256:abc'),
        () => content.open('sha256:abc'),
        () => content.read('sha256:abc'),
        () => content.update('sha256:abc', {}, ['labels']),
        () => content.delete('sha256:abc'),
      ]) {
        await expect(invalid()).rejects.toMatchObject({ kind: 'invalid-argument' });
      }
    });

    test('an expected digest that is none is invalid', async () => {
      const writer = content.writer({ ref: 'r', expected: 'sha256:../../etc' });
      await expect(writer).rejects.toMatchObject({ kind: 'invalid-argument' });
    });

    test('blobs are walked in the order of their digests', async () => {
      const texts = ['a', 'b', 'c', 'd'];
      for (const text of texts) await content.put(text, bytes(text));
      const found: string[] = [];
      for await (const info of content.walk()) found.push(info.digest);
      expect(found).toEqual(texts.map((text) => digestOf(text)).sort());
    });

    test('a walk and a list of ingests bring what any of the filters means', async () => {
      for (const text of ['a', 'bb', 'cc']) await content.put(text, bytes(text), { text });
      await content.update(digestOf('cc'), { 'x.y/z': 'v' }, ['labels.x.y/z']);
      const found = async (...filters: string[]) => {
        const texts: string[] = [];
        for await (const { labels } of content.walk(filters)) texts.push(labels['text'] ?? '');
        return texts.sort();
      };
      expect(await found()).toEqual(['a', 'bb', 'cc']);
      expect(await found(`digest==${digestOf('bb')}`)).toEqual(['bb']);
      expect(await found('labels.text==cc,labels."x.y/z"')).toEqual(['cc']);
      expect(await found('labels.text~=^[ab]$', 'labels."x.y/z"==v')).toEqual(['a', 'cc']);
      expect(await found('name==a')).toEqual([]);
      await expect(found('digest=')).rejects.toMatchObject({ kind: 'invalid-argument' });
      for (const ref of ['layer-1', 'layer-2', 'config']) await write(ref, ref);
      const refs = (await content.statuses(['ref~=^layer-'])).map(({ ref }) => ref);
      expect(refs).toEqual(['layer-1', 'layer-2']);
      await expect(content.statuses(['ref'])).resolves.toHaveLength(3);
      await expect(content.statuses([','])).rejects.toMatchObject({ kind: 'invalid-argument' });
    });

    test('labels change by field path, and only labels do', async () => {
      const old = await content.put('r', HELLO, { a: '1', b: '2' });
      const updated = await content.update(DIGEST, { a: '', c: '3' }, ['labels.a', 'labels.c']);
      expect(updated).toMatchObject({ created: old.created, labels: { b: '2', c: '3' } });
      expect(updated.updated > old.updated).toBe(true);
      expect(await content.info(DIGEST)).toEqual(updated);
      await expect(content.update(DIGEST, {}, ['size'])).rejects.toMatchObject({ kind: 'invalid-argument' });
    });

    test('a path reaches to the end of a key with dots, and other labels stay', async () => {
      await content.put('r', HELLO, { 'a.b': '1', 'a.b.c': '2' });
      const { labels } = await content.update(DIGEST, { 'a.b.c': '3', 'a.b': '4' }, ['labels.a.b.c']);
      expect(labels).toEqual({ 'a.b': '1', 'a.b.c': '3' });
    });

    test('labels are replaced as a whole without a path, and an empty one is none', async () => {
      await content.put('r', HELLO, { a: '1', b: '' });
      expect((await content.info(DIGEST)).labels).toEqual({ a: '1' });
      expect((await content.update(DIGEST, { c: '3', d: '' }, [])).labels).toEqual({ c: '3' });
      expect((await content.update(DIGEST, { e: '5' }, ['labels'])).labels).toEqual({ e: '5' });
    });

    test('a discarded blob is gone for good, and to discard it again is no error', async () => {
      await content.put('r', HELLO);
      await content.discard(DIGEST);
      expect(await content.has(DIGEST)).toBe(false);
      await content.discard(DIGEST);
      expect(await content.put('r', HELLO)).toMatchObject({ digest: DIGEST });
      expect(await content.read(DIGEST)).toEqual(HELLO);
    });

    test('delete removes the name, once', async () => {
      await content.put('r', HELLO);
      await content.delete(DIGEST);
      expect(await content.has(DIGEST)).toBe(false);
      for (const missing of [
        () => content.delete(DIGEST),
        () => content.info(DIGEST),
        () => content.open(DIGEST),
        () => content.read(DIGEST),
        () => content.verify(DIGEST),
        () => content.update(DIGEST, {}, ['labels']),
      ]) {
        await expect(missing()).rejects.toMatchObject({ kind: 'not-found' });
      }
    });

    test('reading at an offset stops at the end', async () => {
      await content.put('r', HELLO);
      const reader = await content.open(DIGEST);
      const into = new Uint8Array(6);
      expect(await reader.readAt(into, 7)).toBe(6);
      expect(into).toEqual(bytes('layers'));
      expect(await reader.readAt(into, 10)).toBe(3);
      expect(await reader.readAt(into, 13)).toBe(0);
      expect(await gathered(reader.stream(7))).toEqual(bytes('layers'));
      expect(await gathered(reader.stream(13))).toEqual(new Uint8Array());
      expect(await gathered(reader.stream(0, 5))).toEqual(bytes('hello'));
      expect(await gathered(reader.stream(7, 100))).toEqual(bytes('layers'));
      expect(await gathered(reader.stream(7, 0))).toEqual(new Uint8Array());
      await reader.close();
    });

    test('a blob longer than the limit is not read', async () => {
      await content.put('r', HELLO);
      await expect(content.read(DIGEST, HELLO.length - 1)).rejects.toMatchObject({ kind: 'corrupt' });
      expect(await content.read(DIGEST, HELLO.length)).toEqual(HELLO);
    });

    test('verify finds changed bytes, and read does not hand them out', async () => {
      await content.put('r', HELLO);
      await content.verify(DIGEST);
      await under.damage(DIGEST);
      await expect(content.verify(DIGEST)).rejects.toMatchObject({ kind: 'corrupt' });
      await expect(content.read(DIGEST)).rejects.toMatchObject({ kind: 'corrupt' });
    });

    describe('with another namespace over the same bytes', () => {
      test('names, labels and ingests are kept apart', async () => {
        await content.put('r', HELLO, { mine: 'x' });
        await write('ingest', 'x');
        expect(await under.other.has(DIGEST)).toBe(false);
        expect(await under.other.statuses()).toEqual([]);
        const writer = await under.other.writer({ ref: 'ingest' });
        expect(writer.offset).toBe(0);
        await writer.close();
        expect((await content.status('ingest')).offset).toBe(1);
      });

      test('an expected blob of the other one is whole at once, and commit only names it', async () => {
        await under.other.put('r', HELLO, { theirs: 'x' });
        const writer = await content.writer({ ref: 'r', expected: DIGEST });
        expect([writer.offset, writer.digest()]).toEqual([HELLO.length, DIGEST]);
        expect(writer.status()).toMatchObject({ offset: 13, total: 13 });
        expect(await writer.commit({ labels: { mine: 'x' } })).toMatchObject({ labels: { mine: 'x' } });
        expect(await content.read(DIGEST)).toEqual(HELLO);
        expect((await under.other.info(DIGEST)).labels).toEqual({ theirs: 'x' });
        expect(await content.statuses()).toEqual([]);
      });

      test('a writer that sends the bytes of a shared blob all the same may, from the start', async () => {
        await under.other.put('r', HELLO);
        const writer = await content.writer({ ref: 'r', expected: DIGEST });
        await writer.truncate(0);
        expect([writer.offset, writer.digest()]).toEqual([0, digestOf('')]);
        await writer.write(HELLO);
        await writer.commit();
        await writer.close();
        expect(await content.read(DIGEST)).toEqual(HELLO);
        expect(await under.other.read(DIGEST)).toEqual(HELLO);
      });

      test('other bytes than those of the expected shared blob are refused', async () => {
        await under.other.put('r', HELLO);
        const writer = await content.writer({ ref: 'r', expected: DIGEST });
        await writer.truncate(0);
        await writer.write(bytes('hello, others'));
        await expect(writer.commit()).rejects.toMatchObject({ kind: 'failed-precondition' });
      });

      test('a shared blob may be the beginning of another one', async () => {
        await under.other.put('r', HELLO);
        const writer = await content.writer({ ref: 'r', expected: DIGEST, total: 13 });
        await writer.write(bytes(' and more'));
        const whole = digestOf('hello, layers and more');
        expect([writer.offset, writer.digest()]).toEqual([22, whole]);
        expect(await writer.commit({ size: 22, expected: whole })).toMatchObject({ digest: whole });
        expect(await content.read(whole)).toEqual(bytes('hello, layers and more'));
        expect(await content.has(DIGEST)).toBe(false);
        expect(await under.other.read(DIGEST)).toEqual(HELLO);
      });

      test('a blob of another size than expected is not shared', async () => {
        await under.other.put('r', HELLO);
        const writer = await content.writer({ ref: 'r', expected: DIGEST, total: 12 });
        expect(writer.offset).toBe(0);
        await writer.close();
      });

      test('isolated, the bytes of a blob must be sent to have it', async () => {
        await under.other.put('r', HELLO);
        await under.isolate();
        const writer = await content.writer({ ref: 'r', expected: DIGEST, total: 13 });
        expect([writer.offset, writer.digest()]).toEqual([0, digestOf('')]);
        await writer.write(HELLO);
        expect(await writer.commit()).toMatchObject({ digest: DIGEST });
        expect(await content.read(DIGEST)).toEqual(HELLO);
        expect(await under.other.read(DIGEST)).toEqual(HELLO);
      });

      test('a discarded blob stays for the other one', async () => {
        await content.put('r', HELLO);
        await under.other.put('r', HELLO);
        await content.discard(DIGEST);
        expect(await content.has(DIGEST)).toBe(false);
        expect(await under.other.read(DIGEST)).toEqual(HELLO);
      });

      test('a deleted blob stays for the other one', async () => {
        await content.put('r', HELLO);
        await under.other.put('r', HELLO);
        await content.delete(DIGEST);
        expect(await under.other.read(DIGEST)).toEqual(HELLO);
      });
    });

    test('however bytes are cut and interrupted, the blob is their sequence', async () => {
      const step = fc.record({ chunk: fc.uint8Array({ maxLength: 40 }), reopen: fc.boolean() });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 8 }), fc.uuid(), async (steps, ref) => {
          let writer = await content.writer({ ref });
          for (const { chunk, reopen } of steps) {
            await writer.write(chunk);
            if (!reopen) continue;
            await writer.close();
            writer = await content.writer({ ref });
          }
          const all = Buffer.concat(steps.map(({ chunk }) => chunk));
          expect([writer.offset, writer.digest()]).toEqual([all.length, digestOf(all)]);
          const had = await content.has(digestOf(all));
          if (had) await expect(writer.commit()).rejects.toMatchObject({ kind: 'already-exists' });
          else await writer.commit();
          expect(Buffer.compare(await content.read(digestOf(all)), all)).toBe(0);
        }),
        { numRuns: 25 },
      );
    });
  });
}

async function gathered(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return new Uint8Array(Buffer.concat(all));
}
