// `mica --address SOCKET`: the commands of the parts on a running server say and do the same, whoever serves.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { StoreClient } from '../../src/containerd/client/client.js';
import { digestOf } from '../../src/digest.js';
import { top } from '../program.js';
import { describeWith } from '../requires.js';
import { CONTAINERD_NEEDS, type Containerd, removeContainerd, startContainerd } from './containerd.js';
import { type Done, tryProgram } from './run-program.js';

const MICA = join(top, 'bin/mica');
const HELLO = Buffer.from('hello, layers');
const DIGEST = digestOf(HELLO);

const LAYER = Buffer.alloc(1024);
/** In MiB. */
const LARGE = 256;

/** An image whose blobs a lease keeps until it has a name. Returns the digest of its manifest. */
async function makeImage(address: string): Promise<string> {
  const making = new StoreClient(address, { namespace: 'one', lease: 'making' });
  await making.leases.create('making');
  try {
    const layer = await making.content.put('layer', LAYER);
    const rootfs = { type: 'layers', diff_ids: [layer.digest] };
    const config = { architecture: 'amd64', os: 'linux', config: {}, rootfs };
    const stored = await making.content.put('config', Buffer.from(JSON.stringify(config)));
    const type = (name: string) => `application/vnd.oci.image.${name}`;
    const manifest = {
      schemaVersion: 2,
      mediaType: type('manifest.v1+json'),
      config: { mediaType: type('config.v1+json'), digest: stored.digest, size: stored.size },
      layers: [{ mediaType: type('layer.v1.tar'), digest: layer.digest, size: layer.size }],
    };
    const { digest, size } = await making.content.put('manifest', Buffer.from(JSON.stringify(manifest)), {
      'containerd.io/gc.ref.content.config': stored.digest,
      'containerd.io/gc.ref.content.l.0': layer.digest,
    });
    const target = { mediaType: manifest.mediaType, digest, size };
    const times = { created: '', updated: '' };
    await (await making.images()).put({ name: 'made.test/image:1', target, labels: {}, ...times });
    return digest;
  } finally {
    await making.leases.remove('making');
    making.close();
  }
}

/** Without the settings of whoever runs the tests. */
const ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith('MICA_')),
);

interface Server {
  readonly address: string;
  stop(): Promise<void>;
}

async function containerd(folder: string): Promise<Server> {
  const started: Containerd = await startContainerd(folder);
  return { address: started.address, stop: () => removeContainerd(started, folder) };
}

async function micaServe(folder: string): Promise<Server> {
  const address = join(folder, 'm.sock');
  const store = ['--root', join(folder, 'root'), '--state', join(folder, 'state'), '--driver', 'overlay'];
  const child: ChildProcess = spawn(process.execPath, [MICA, ...store, 'serve', '--address', address], {
    env: ENVIRONMENT,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit');
  if (child.stderr === null) throw new Error('it has no stderr');
  for await (const line of createInterface({ input: child.stderr })) if (line.includes('serving')) break;
  child.stderr.resume();
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  return { address, stop };
}

const SERVERS = { containerd, 'mica serve': micaServe };

describeWith(CONTAINERD_NEEDS, 'mica --address', () => {
  describe.each(Object.entries(SERVERS))('%s', (_name, start) => {
    let folder: string;
    let server: Server;
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'mica-addr-'));
      server = await start(folder);
    });
    afterAll(() => server.stop());

    const mica = (words: readonly string[], input?: Uint8Array): Promise<Done> =>
      tryProgram(process.execPath, [MICA, '--address', server.address, '-n', 'one', ...words], {
        env: ENVIRONMENT,
        ...(input === undefined ? {} : { input }),
      });
    /** Of a command that must succeed. */
    const out = async (...words: string[]): Promise<string> => {
      const done = await mica(words);
      expect([words, done.code, done.err]).toEqual([words, 0, '']);
      return done.out.toString();
    };
    const json = async (...words: string[]): Promise<unknown> => JSON.parse(await out('--json', ...words));
    const refused = async (...words: string[]): Promise<[number, string]> => {
      const { code, err } = await mica(words);
      return [code, err.split('\n')[0] ?? ''];
    };

    test('snapshots are made, labelled, committed, listed and removed', async () => {
      expect(await out('snapshot', 'prepare', 'key', '--label', 'a=b')).toBe('key\n');
      expect(await out('snapshot', 'commit', 'base', 'key')).toBe('base\n');
      expect(await json('snapshot', 'prepare', 'top', 'base')).toMatchObject({ key: 'top', parent: 'base' });
      await out('snapshot', 'view', 'look', 'base');
      expect(await out('-q', 'snapshot', 'ls')).toBe('base\nlook\ntop\n');
      expect(await out('snapshot', 'ls', '--filter', 'kind==committed')).toMatch(/^base +committed/m);
      expect(await out('snapshot', 'tree')).toBe('base\n  look  (view)\n  top  (active)\n');
      expect(await json('snapshot', 'info', 'base')).toMatchObject({
        name: 'base',
        kind: 'committed',
        inodes: 1,
      });
      expect(await json('snapshot', 'mounts', 'top')).toMatchObject([{ type: 'overlay', source: 'overlay' }]);
      expect(await out('snapshot', 'label', 'top', 'x=y')).toContain('x=y');
      expect(await refused('snapshot', 'rm', 'base')).toEqual([5, expect.stringContaining('remove')]);
      expect(await refused('snapshot', 'prepare', 'top')).toEqual([4, expect.stringContaining('top')]);
      expect(await refused('snapshot', 'info', 'none')).toEqual([3, expect.stringContaining('none')]);
      expect(await refused('snapshot', 'prepare', 'x', 'top')).toEqual([2, expect.stringContaining('x')]);
      await out('snapshot', 'rm', 'top', 'look', 'base');
      expect(await out('snapshot', 'ls')).toBe('');
    });

    test('a blob is put, read in part, labelled and removed', async () => {
      const put = await mica(['content', 'put', '--label', 'a=b'], HELLO);
      expect([put.out.toString(), put.err]).toEqual([`${DIGEST}\n`, '']);
      expect(await out('content', 'get', DIGEST, '--offset', '7', '--size', '3')).toBe('lay');
      expect(await json('content', 'ls')).toMatchObject([{ digest: DIGEST, size: 13, labels: { a: 'b' } }]);
      expect(await json('content', 'label', DIGEST, 'a=')).not.toHaveProperty('labels.a');
      const wrong = await mica(['content', 'put', '--ref', 'r', '--expected', digestOf('x')], HELLO);
      expect(wrong.code).toBe(5);
      expect(await json('content', 'ingests')).toMatchObject([{ ref: 'r', offset: 13 }]);
      await out('content', 'abort', 'r');
      expect(await refused('content', 'get', DIGEST, '--offset', '14')).toEqual([2, expect.any(String)]);
      await out('content', 'rm', DIGEST);
      expect(await refused('content', 'get', DIGEST)).toEqual([3, expect.stringContaining(DIGEST)]);
    });

    test('a lease holds what it is told, until it ends', async () => {
      await mica(['content', 'put'], HELLO);
      await out('content', 'label', DIGEST, 'containerd.io/gc.root=');
      await out('lease', 'create', 'mine', '--expire', '1h');
      await out('lease', 'add', 'mine', `blob:${DIGEST}`, 'snapshot:none');
      expect(await json('lease', 'ls', '--filter', 'id==mine')).toMatchObject([
        { id: 'mine', resources: [{ type: 'content', id: DIGEST }, { type: 'snapshots/overlayfs' }] },
      ]);
      await out('lease', 'create', 'other');
      await out('lease', 'rm', 'other');
      expect(await out('-q', 'content', 'ls')).toBe(`${DIGEST}\n`);
      await out('lease', 'rm', 'mine');
      expect(await out('-q', 'content', 'ls')).toBe('');
      expect(await refused('lease', 'rm', 'mine')).toEqual([3, expect.stringContaining('mine')]);
    });

    test('images are listed, named again, labelled and removed', async () => {
      const image = await makeImage(server.address);
      expect(await json('images')).toMatchObject([
        {
          name: 'made.test/image:1',
          digest: image,
          platform: 'linux/amd64',
          layers: [{ size: LAYER.length }],
        },
      ]);
      await out('tag', 'made.test/image:1', 'made.test/image:2');
      expect(await out('image', 'label', 'made.test/image:2', 'a=b')).toContain('a=b');
      expect(await json('inspect', 'made.test/image:2')).toMatchObject({ digest: image, labels: { a: 'b' } });
      await out('rmi', 'made.test/image:1');
      expect(await out('-q', 'images')).toBe('made.test/image:2\n');
      expect(await json('inspect', image)).toMatchObject({ name: 'made.test/image:2', layers: [{}] });
      await out('rmi', 'made.test/image:2');
      expect(await out('-q', 'content', 'ls')).toBe('');
      expect(await refused('inspect', 'none')).toEqual([3, 'mica: cannot inspect image none: no image none']);
      expect(await refused('rmi', 'none')).toEqual([3, expect.stringContaining('no image none')]);
    });

    test('a large blob passes through in pieces', async () => {
      const client = new StoreClient(server.address, { namespace: 'one' });
      let most = 0;
      const before = process.memoryUsage().rss;
      const seen = (): void => {
        most = Math.max(most, process.memoryUsage().rss - before);
      };
      const piece = Buffer.alloc(1 << 20, 'x');
      try {
        const writer = await client.content.writer({ ref: 'large', total: LARGE << 20 });
        for (let n = 0; n < LARGE; n++) {
          await writer.write(piece);
          seen();
        }
        const { digest, size } = await writer.commit();
        expect(size).toBe(LARGE << 20);
        const reader = await client.content.open(digest);
        let read = 0;
        for await (const chunk of reader.stream()) {
          read += chunk.length;
          seen();
        }
        expect(read).toBe(size);
        expect(most).toBeLessThan((LARGE << 20) / 2);
        await client.content.delete(digest);
      } finally {
        client.close();
      }
    });

    test('what needs the store itself says so', async () => {
      for (const words of [['pull', 'x'], ['snapshot', 'rollback', 'x'], ['gc'], ['ls', 'x']]) {
        const [code, line] = await refused(...words);
        expect([words, code, line]).toEqual([words, 6, expect.stringContaining('works on the store itself')]);
      }
      const quota = await refused('snapshot', 'prepare', 'q', '--quota', '1M');
      expect(quota).toEqual([6, 'mica: cannot prepare snapshot q: a server takes no quota']);
    });

    test('the socket may come from the environment', async () => {
      const env = { ...ENVIRONMENT, MICA_ADDRESS: `unix://${server.address}` };
      const done = await tryProgram(process.execPath, [MICA, 'snapshot', 'info', 'none'], { env });
      expect(done.code).toBe(3);
    });
  });

  test('a server that is not there is one line and a hint', async () => {
    const words = [MICA, '--address', '/nowhere/x.sock', 'content', 'ls'];
    const done = await tryProgram(process.execPath, words, { env: ENVIRONMENT });
    expect(done.code).toBe(5);
    expect(done.err).toMatch(
      /^mica: cannot reach the server at \/nowhere\/x\.sock: there is no such socket\nhint: mica serve --address .*\n$/,
    );
  });
});
