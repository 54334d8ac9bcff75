import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LocalContent } from '../../../src/content/local-content.js';
import { digestHex, digestOf } from '../../../src/digest.js';
import { blobRows } from '../../../src/metadata/blobs.js';
import { Metadata } from '../../../src/metadata/db.js';
import { linesOf, outputOf, startModule } from '../../child.js';

const WRITER = `
  import { LocalContent } from './src/content/local-content.ts';
  import { blobRows } from './src/metadata/blobs.ts';
  import { Metadata } from './src/metadata/db.ts';
  const [folder, round] = process.argv.slice(2);
  const metadata = Metadata.open(folder + '/metadata');
  const content = new LocalContent(folder + '/content', blobRows(metadata, 'ns'), 'ns');
  const statuses = await content.statuses();
  for (const { ref } of statuses) {
    const writer = await content.writer({ ref });
    // Killed after its bytes were published, an ingest is empty: the empty blob may be there since an earlier round.
    const done = await writer.commit().catch((error) => {
      if (error.kind !== 'already-exists') throw error;
    });
    if (done !== undefined) console.log(done.digest);
  }
  for (let i = 0; ; i++) {
    const writer = await content.writer({ ref: 'blob-' + i });
    for (let part = 0; part < 4; part++) await writer.write(Buffer.alloc(30_000, round + '/' + i + '/' + part));
    console.log((await writer.commit({ labels: { round } })).digest);
  }
`;

test('killed at any moment, what was acknowledged is there, and nothing under a digest is anything else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'micafs-killed-'));
  const acknowledged: string[] = [];
  try {
    for (const [round, kills] of [3, 5, 8, 11].entries()) {
      const child = startModule(WRITER, [folder, String(round)]);
      let lines = 0;
      for await (const digest of linesOf(child)) {
        acknowledged.push(digest);
        if (++lines === kills) child.process.kill('SIGKILL');
      }
      expect(await child.exit).toBe(null);
    }
    const metadata = Metadata.open(join(folder, 'metadata'));
    const content = new LocalContent(join(folder, 'content'), blobRows(metadata, 'ns'), 'ns');
    for (const digest of acknowledged) await content.verify(digest);
    for await (const { digest } of content.walk()) await content.verify(digest);
    await metadata.close();
    const blobs = join(folder, 'content/blobs/sha256');
    for (const name of readdirSync(blobs))
      expect(digestHex(digestOf(readFileSync(join(blobs, name))))).toBe(name);
    expect(acknowledged.length).toBeGreaterThanOrEqual(27);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('two processes that publish the same blobs get along: each blob has one row, which the first one wrote', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'micafs-killed-'));
  const source = `
    import { Store } from './src/store.ts';
    const [folder, name] = process.argv.slice(2);
    const store = await Store.open(folder + '/root', { state: folder + '/state' });
    for (let i = 0; i < 20; i++) {
      const writer = await store.content.writer({ ref: name + i });
      await writer.write(Buffer.from('blob ' + i));
      const done = await writer.commit({ labels: { by: name } }).catch((error) => error);
      console.log(done.kind ?? 'made');
    }
    await store.close();
  `;
  try {
    const children = ['a', 'b'].map((name) => startModule(source, [folder, name]));
    const results = await Promise.all(children.map((child) => outputOf(child)));
    const made = results.map((lines) => lines.filter((line) => line === 'made').length);
    expect((made[0] ?? 0) + (made[1] ?? 0)).toBe(20);
    expect(results.flat().filter((line) => line === 'already-exists').length).toBe(20);
    const metadata = Metadata.open(join(folder, 'root/metadata'));
    const rows = blobRows(metadata, 'default').list();
    expect(['a', 'b'].map((name) => rows.filter((row) => row.labels['by'] === name).length)).toEqual(made);
    await metadata.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
