import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalContent } from '../../../src/content/local-content.js';
import { MemBlobRows } from '../../../src/content/mem-content.js';
import { digestHex, digestOf } from '../../../src/digest.js';
import { blobRows } from '../../../src/metadata/blobs.js';
import { Metadata } from '../../../src/metadata/db.js';
import { ensureNamespace, putNamespace } from '../../../src/metadata/namespaces.js';
import { setSharingPolicy } from '../../../src/metadata/sharing.js';
import { linesOf, outputOf, startModule } from '../../child.js';
import { contentSuite } from '../../suites/content.js';
import { ownContentSuite, storeContentSuite } from '../../suites/store-content.js';

const HELLO = new TextEncoder().encode('hello, layers');
const DIGEST = digestOf(HELLO);

const make = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'micafs-content-'));
  const metadata = Metadata.open(join(folder, 'metadata'), { durable: false });
  const store = (ns: string) => new LocalContent(join(folder, 'content'), blobRows(metadata, ns), ns);
  return {
    content: store('one'),
    other: store('two'),
    isolate: async (shareable = false) => {
      await metadata.write((tx) => {
        setSharingPolicy(tx, 'isolated');
        const labels = shareable ? { 'containerd.io/namespace.shareable': 'true' } : {};
        putNamespace(tx, { ...ensureNamespace(tx, 'two'), labels });
      });
    },
    damage: async (digest: string) => damage(join(folder, 'content'), digest),
    remove: async () => {
      await metadata.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

const NAME = 'LocalContent over LMDB';
contentSuite(NAME, make);
ownContentSuite(NAME, make);
storeContentSuite(NAME, make);

describe('LocalContent on disk', () => {
  let folder: string;
  let rows: MemBlobRows;
  let content: LocalContent;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'micafs-content-'));
    rows = new MemBlobRows();
    content = new LocalContent(folder, rows, 'ns');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const ingestOf = (ref: string) =>
    join(folder, 'ingest', createHash('sha256').update(`ns/${ref}`).digest('hex'));

  test('goes on with an ingest whose writer was killed when its bytes were whole and could not be changed any more', async () => {
    const writer = await content.writer({ ref: 'finished' });
    await writer.write(HELLO);
    await writer.close();
    const [ingest = ''] = readdirSync(join(folder, 'ingest'));
    chmodSync(join(folder, 'ingest', ingest, 'data'), 0o444);
    const again = await content.writer({ ref: 'finished' });
    expect(again.offset).toBe(HELLO.length);
    expect((await again.commit()).digest).toBe(DIGEST);
  });

  test("a blob is a file of mode 0444 under its digest's hex, and its ingest is gone", async () => {
    await content.put('r', HELLO);
    const file = blobFile(folder, DIGEST);
    expect(statSync(file).mode & 0o777).toBe(0o444);
    expect(new Uint8Array(readFileSync(file))).toEqual(HELLO);
    expect(readdirSync(join(folder, 'ingest'))).toEqual([]);
  });

  test("an ingest lies in containerd's layout", async () => {
    const writer = await content.writer({ ref: 'r', expected: DIGEST, total: 13 });
    await writer.write(HELLO.subarray(0, 5));
    await writer.close();
    const text = (name: string) => readFileSync(join(ingestOf('r'), name), 'utf8');
    expect([text('ref'), text('total'), text('data')]).toEqual(['ns/r', '13', 'hello']);
    expect(text('startedat')).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
  });

  test('a write that the disk has no room for fails in one line, and what fitted is resumed', async () => {
    const child = startModule(
      `
        import { LocalContent } from './src/content/local-content.ts';
        import { MemBlobRows } from './src/content/mem-content.ts';
        const content = new LocalContent(process.argv[2], new MemBlobRows(), 'ns');
        const writer = await content.writer({ ref: 'r' });
        const error = await writer.write(Buffer.alloc(4000, 'x')).catch((error) => error);
        console.log(JSON.stringify([error.kind, error.message, writer.offset, writer.digest()]));
        await writer.close();
      `,
      [folder],
      // A limit of the size of files stands for the full disk: both cut a write short, then refuse the next.
      ['sh', '-c', 'ulimit -f 4 && exec "$@"', 'sh'],
    );
    const lines = await outputOf(child);
    expect(await child.exit).toBe(0);
    const [kind, message, offset, digest] = JSON.parse(lines[0] ?? '[]');
    expect([kind, message]).toEqual(['failed', 'cannot write ingest r: file too large']);
    expect(offset).toBeGreaterThan(0);
    expect(digest).toBe(digestOf('x'.repeat(offset)));
    const writer = await content.writer({ ref: 'r' });
    expect(writer.offset).toBe(offset);
    await writer.write(Buffer.alloc(4000 - offset, 'x'));
    expect(await writer.commit()).toMatchObject({ digest: digestOf('x'.repeat(4000)) });
  });

  test('a blob file of the wrong size is corrupt when it is opened', async () => {
    await content.put('r', HELLO);
    const file = blobFile(folder, DIGEST);
    chmodSync(file, 0o644);
    truncateSync(file, 5);
    await expect(content.open(DIGEST)).rejects.toMatchObject({ kind: 'corrupt' });
  });

  test('a blob file that is missing is corrupt when it is opened', async () => {
    await content.put('r', HELLO);
    rmSync(blobFile(folder, DIGEST));
    await expect(content.open(DIGEST)).rejects.toMatchObject({ kind: 'corrupt' });
  });

  test('a damaged file without a row is not shared but replaced', async () => {
    await content.put('r', HELLO);
    await content.delete(DIGEST);
    damage(folder, DIGEST);
    const writer = await content.writer({ ref: 'r2', expected: DIGEST });
    expect(writer.offset).toBe(0);
    await writer.write(HELLO);
    await writer.commit();
    await content.verify(DIGEST);
  });

  test('an ingest folder whose making was cut short is made again', async () => {
    const writer = await content.writer({ ref: 'r' });
    await writer.write(HELLO);
    await writer.close();
    writeFileSync(join(ingestOf('r'), 'ref'), 'ns');
    const again = await content.writer({ ref: 'r' });
    expect(again.offset).toBe(0);
    await again.write(HELLO);
    expect(await again.commit()).toMatchObject({ digest: DIGEST });
  });

  test('killed between the blob and its row, the bytes are found by the next writer', async () => {
    const failing = new LocalContent(folder, new FailingRows(), 'ns');
    await expect(failing.put('r', HELLO)).rejects.toThrow('no rows today');
    expect(existsSync(blobFile(folder, DIGEST))).toBe(true);
    expect(await content.has(DIGEST)).toBe(false);
    const writer = await content.writer({ ref: 'r', expected: DIGEST });
    expect(writer.offset).toBe(HELLO.length);
    await writer.commit();
    expect(await content.read(DIGEST)).toEqual(HELLO);
    expect(await content.statuses()).toEqual([]);
  });

  test('a rename of the store moves everything with it', async () => {
    await content.put('r', HELLO);
    renameSync(folder, `${folder}-moved`);
    folder = `${folder}-moved`;
    expect(await new LocalContent(folder, rows, 'ns').read(DIGEST)).toEqual(HELLO);
  });

  test('a writer in another process has the ref until it is killed, and its bytes go on', async () => {
    const child = startModule(
      `
        import { LocalContent } from './src/content/local-content.ts';
        import { MemBlobRows } from './src/content/mem-content.ts';
        const content = new LocalContent(process.argv[2], new MemBlobRows(), 'ns');
        const writer = await content.writer({ ref: 'r' });
        await writer.write(Buffer.from('hello, '));
        console.log('written');
        setInterval(() => undefined, 1000);
      `,
      [folder],
    );
    for await (const line of linesOf(child)) {
      expect(line).toBe('written');
      await expect(content.writer({ ref: 'r' })).rejects.toMatchObject({ kind: 'unavailable' });
      child.process.kill('SIGKILL');
    }
    await child.exit;
    const writer = await content.writer({ ref: 'r' });
    expect(writer.offset).toBe(7);
    await writer.write(new TextEncoder().encode('layers'));
    expect(await writer.commit()).toMatchObject({ digest: DIGEST });
  });
});

class FailingRows extends MemBlobRows {
  override async add(): Promise<boolean> {
    throw new Error('no rows today');
  }
}

function blobFile(folder: string, digest: string): string {
  return join(folder, 'blobs', 'sha256', digestHex(digest));
}

function damage(folder: string, digest: string): void {
  const file = blobFile(folder, digest);
  const bytes = readFileSync(file);
  chmodSync(file, 0o644);
  writeFileSync(
    file,
    bytes.map((byte) => byte ^ 1),
  );
}
