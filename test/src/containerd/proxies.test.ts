// The contracts of snapshots and of content through our client and our server, and what a client says of a server that it cannot reach.

import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StoreClient } from '../../../src/containerd/client/client.js';
import { StoreServer } from '../../../src/containerd/server/server.js';
import { listenAt } from '../../../src/containerd/server/socket.js';
import { digestHex, digestOf } from '../../../src/digest.js';
import { isKind } from '../../../src/errors.js';
import { ensureNamespace, putNamespace } from '../../../src/metadata/namespaces.js';
import { setSharingPolicy } from '../../../src/metadata/sharing.js';
import { Store } from '../../../src/store.js';
import { describeWith } from '../../requires.js';
import { contentSuite } from '../../suites/content.js';
import { snapshotterSuite } from '../../suites/snapshotter.js';
import { ownContentSuite } from '../../suites/store-content.js';
import { serveStore } from './served.js';

describeWith(['root'], 'mica serve through our client', () => {
  for (const driver of ['fuse', 'overlay', 'native'] as const) {
    snapshotterSuite(`served (${driver})`, driver, async () => {
      const served = await serveStore({ driver });
      const client = new StoreClient(served.socket, { namespace: 'one' });
      return {
        snapshotter: client.snapshots,
        close: async () => {
          client.close();
          await served.close();
        },
      };
    });
  }
});

const servedContent = async () => {
  const served = await serveStore();
  const one = new StoreClient(served.socket, { namespace: 'one' });
  const two = new StoreClient(served.socket, { namespace: 'two' });
  return {
    content: one.content,
    other: two.content,
    isolate: async (shareable = false) => {
      await served.store.metadata.write((tx) => {
        setSharingPolicy(tx, 'isolated');
        const labels = shareable ? { 'containerd.io/namespace.shareable': 'true' } : {};
        putNamespace(tx, { ...ensureNamespace(tx, 'two'), labels });
      });
    },
    damage: async (digest: string) => {
      const file = join(served.store.folders.content, 'blobs', 'sha256', digestHex(digest));
      const bytes = readFileSync(file).map((byte) => byte ^ 1);
      chmodSync(file, 0o644);
      writeFileSync(file, bytes);
    },
    remove: async () => {
      one.close();
      two.close();
      await served.close();
    },
  };
};
contentSuite('mica serve through our client', servedContent);
ownContentSuite('mica serve through our client', servedContent);

describe('a client', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mica-client-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const refusal = async (address: string): Promise<unknown> => {
    const client = new StoreClient(address, { namespace: 'one' });
    try {
      return await client.snapshots.stat('key').catch((error: unknown) => error);
    } finally {
      client.close();
    }
  };

  test('names the socket that is not there, and what to do', async () => {
    const address = join(folder, 'none.sock');
    expect(await refusal(address)).toMatchObject({
      kind: 'unavailable',
      message: `cannot reach the server at ${address}: there is no such socket`,
      hint: expect.stringContaining(`mica serve --address ${address}`),
    });
    expect(await refusal(`unix://${address}`)).toMatchObject({ message: expect.stringContaining(address) });
  });

  test('tells a server that died from one that never was', async () => {
    const address = join(folder, 'dies.sock');
    const server = createServer((socket) => socket.destroy()).listen(address);
    expect(await refusal(address)).toMatchObject({
      kind: 'unavailable',
      hint: expect.stringContaining('try again'),
    });
    await new Promise((resolve) => server.close(resolve));
  });

  test('refuses what can be no socket before it tries', () => {
    expect(() => new StoreClient('/x'.repeat(60), { namespace: 'one' })).toThrow('at most 107 bytes');
    expect(() => new StoreClient('', { namespace: 'one' })).toThrow('it is empty');
  });

  describe('of a server that ends and is started again', () => {
    let store: Store;
    let client: StoreClient;
    let stop: () => Promise<void>;
    const start = async (): Promise<void> => {
      const socket = join(folder, 'm.sock');
      const server = new StoreServer({ store, partition: socket, onFault: () => undefined });
      const listening = await listenAt(socket);
      server.serve(listening.server);
      stop = async () => {
        server.abort();
        await server.stop();
        listening.release();
      };
    };
    /** What `act` comes to when the connection is there again. */
    const again = async <T>(act: () => Promise<T>): Promise<T> => {
      for (;;) {
        try {
          return await act();
        } catch (error) {
          if (!isKind(error, 'unavailable')) throw error;
        }
      }
    };
    beforeEach(async () => {
      store = await Store.open(join(folder, 'root'), { state: join(folder, 'state'), durable: false });
      client = new StoreClient(join(folder, 'm.sock'), { namespace: 'one' });
      await start();
    });
    afterEach(async () => {
      client.close();
      await stop();
      await store.close();
    });

    test('says so, and finds it again', async () => {
      await client.snapshots.prepare('key', undefined);
      await stop();
      await expect(client.snapshots.stat('key')).rejects.toMatchObject({ kind: 'unavailable' });
      await start();
      expect(await again(() => client.snapshots.stat('key'))).toMatchObject({ name: 'key', kind: 'active' });
    });

    test('goes on with an ingest where it was answered last', async () => {
      const writer = await client.content.writer({ ref: 'r' });
      await writer.write(Buffer.from('hello, '));
      await stop();
      await expect(writer.write(Buffer.from('lost'))).rejects.toMatchObject({ kind: 'unavailable' });
      await writer.close();
      await start();
      const next = await again(() => client.content.writer({ ref: 'r' }));
      expect(next.offset).toBe(7);
      await next.write(Buffer.from('layers'));
      expect(await next.commit()).toMatchObject({ digest: digestOf('hello, layers') });
    });
  });

  test('asks for as much as it is given at once, a number of calls at a time', async () => {
    const served = await serveStore();
    const client = new StoreClient(served.socket, { namespace: 'one' });
    try {
      const keys = Array.from({ length: 200 }, (_, n) => `key-${n}`);
      const found = await Promise.all(
        keys.map((key) => client.snapshots.stat(key).catch((error: unknown) => (error as Error).message)),
      );
      expect(found[199]).toBe('cannot stat snapshot key-199: there is no snapshot of this name');
    } finally {
      client.close();
      await served.close();
    }
  });

  test('ends its calls when it is told to stop', async () => {
    const served = await serveStore();
    const ending = new AbortController();
    const client = new StoreClient(served.socket, { namespace: 'one', signal: ending.signal });
    try {
      await client.snapshots.prepare('key', undefined);
      ending.abort();
      await expect(client.snapshots.stat('key')).rejects.toMatchObject({ kind: 'canceled' });
      await expect(async () => {
        for await (const _ of client.snapshots.walk());
      }).rejects.toMatchObject({ kind: 'canceled' });
    } finally {
      client.close();
      await served.close();
    }
  });
});
