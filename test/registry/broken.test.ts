// Networks that break between the program and the real registry, and a pull that is ended in its middle.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { nameImage } from '../../src/images/import.js';
import type { ImageRow } from '../../src/metadata/rows.js';
import { pullImage } from '../../src/registry/pull.js';
import { pushImage } from '../../src/registry/push.js';
import { buildImage, file, layerTar } from '../fixtures/oci.js';
import { type MemStore, memStore } from '../fixtures/store.js';
import { Scratch, top } from '../program.js';
import { describeWith } from '../requires.js';
import { type BreakingProxy, startDockerRegistry, startProxy, stopAll } from './docker-registry.js';

const MIB = 1 << 20;
const retries = { attempts: 4, firstMs: 1, longestMs: 100 };
const options = { unpack: false, plainHttp: true, environment: {}, retries } as const;

describeWith(['program:docker-registry'], 'a network that breaks before a real registry', () => {
  const image = buildImage(
    [6, 2].map((size, n) =>
      layerTar([file(`file-${n}`, Buffer.alloc(size * MIB, `layer ${n} `)), file('both', `${n}`)]),
    ),
    { compression: 'none' },
  );
  const [first] = image.layers;
  let base: string;
  let proxy: BreakingProxy;
  let store: MemStore;
  let row: ImageRow;

  beforeAll(async () => {
    base = mkdtempSync(join(tmpdir(), 'mica-registry-'));
    const host = await startDockerRegistry(base);
    proxy = await startProxy(host);
    store = memStore();
    for (const [digest, bytes] of image.blobs) await store.content.put(`put-${digest}`, bytes);
    row = await nameImage(store, 'mine', image.descriptor);
    await pushImage(store, row, `${host}/app:1`, options);
  });
  beforeEach(() => {
    proxy.breaking = () => undefined;
  });
  afterAll(async () => {
    await stopAll();
    rmSync(base, { recursive: true, force: true });
  });

  /** Breaks the first `times` requests that match. */
  function breakFirst(pattern: RegExp, times: number, what: ReturnType<BreakingProxy['breaking']>): void {
    let left = times;
    proxy.breaking = (line) => (pattern.test(line) && left-- > 0 ? what : undefined);
  }

  it('lets a pull go on where each connection was cut', async () => {
    breakFirst(/GET .*blobs/, 5, { answerAfter: 2 * MIB });
    const elsewhere = memStore();
    await pullImage(elsewhere, `${proxy.host}/app:1`, options);
    for (const digest of image.blobs.keys()) await elsewhere.content.verify(digest);
    const ranges = proxy.asked.flatMap(({ line, range }) =>
      line.includes('/blobs/') && range ? [range] : [],
    );
    expect(ranges.length).toBeGreaterThanOrEqual(3);
  });

  it('lets a push go on with what the registry does not have', async () => {
    // A store that does not know that another repository has the blobs.
    const other = memStore();
    for (const [digest, bytes] of image.blobs) await other.content.put(`put-${digest}`, bytes);
    const before = proxy.asked.length;
    breakFirst(/^PATCH/, 3, { bodyAfter: 2 * MIB });
    await pushImage(other, row, `${proxy.host}/broken:1`, options);
    const asked = proxy.asked.slice(before).map(({ line }) => line.split(/[ ?]/, 1)[0]);
    expect(asked.filter((method) => method === 'GET').length).toBeGreaterThanOrEqual(3);
    breakFirst(/./, 0, undefined);
    const elsewhere = memStore();
    await pullImage(elsewhere, `${proxy.host}/broken:1`, options);
    for (const digest of image.blobs.keys()) await elsewhere.content.verify(digest);
  });

  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    it(`lets the next pull go on when ${signal} ended one`, async () => {
      const scratch = new Scratch('registry');
      try {
        proxy.breaking = (line) => (line.includes(first!.digest) ? { holdAfter: 4 * MIB } : undefined);
        const child = spawn(process.execPath, [
          join(top, 'bin/mica'),
          ...['--root', scratch.path('root'), '--state', scratch.path('state')],
          ...['pull', `${proxy.host}/app:1`],
        ]);
        let err = '';
        child.stderr.on('data', (chunk: Buffer) => {
          err += chunk.toString();
        });
        const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
        // The rest of the layer never comes.
        while (largestIngest(scratch.path('root')) < 3 * MIB) {
          expect(child.exitCode).toBe(null);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        child.kill(signal);
        expect(await ended).toBe(signal === 'SIGINT' ? 130 : null);
        if (signal === 'SIGINT') {
          expect(err).toMatch(/^mica: ended: SIGINT\nhint: .*goes on.*\n$/);
          expect(JSON.parse(scratch.mica('content', 'ls', '--json'))).toEqual([]);
          expect(JSON.parse(scratch.mica('snapshot', 'ls', '--json'))).toEqual([]);
        }
        expect(JSON.parse(scratch.mica('images', '--json'))).toEqual([]);

        proxy.breaking = () => undefined;
        const before = proxy.asked.length;
        const again = spawn(process.execPath, [
          join(top, 'bin/mica'),
          ...['--root', scratch.path('root'), '--state', scratch.path('state')],
          ...['pull', `${proxy.host}/app:1`],
        ]);
        expect(await new Promise((resolve) => again.once('close', resolve))).toBe(0);
        const asked = proxy.asked
          .slice(before)
          .filter(({ line }) => line.startsWith(`GET`) && line.includes(first!.digest));
        expect(asked).toHaveLength(1);
        expect(Number(/bytes=(\d+)-/.exec(asked[0]?.range ?? '')?.[1])).toBeGreaterThanOrEqual(3 * MIB);
        expect(scratch.mica('cat', `${proxy.host}/app:1:both`)).toBe('1');
        expect(JSON.parse(scratch.mica('content', 'ingests', '--json'))).toEqual([]);
      } finally {
        scratch.remove();
      }
    });
  }
});

/** The bytes of the longest download of a store that is not complete. */
function largestIngest(root: string): number {
  const folder = join(root, 'content/ingest');
  if (!existsSync(folder)) return 0;
  const sizes = readdirSync(folder).map(
    (name) => statSync(join(folder, name, 'data'), { throwIfNoEntry: false })?.size ?? 0,
  );
  return Math.max(0, ...sizes);
}
