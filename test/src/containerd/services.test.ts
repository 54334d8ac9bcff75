import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { WriteAction } from '../../../src/containerd/gen/containerd/services/content/v1/content.js';
import { digestOf } from '../../../src/digest.js';
import { linesOf, startModule } from '../../child.js';
import { servicesSuite } from '../../suites/services.js';
import { all, ask, Clients, headers, WriteCall } from './clients.js';
import { type Served, serveStore } from './served.js';

servicesSuite('services of a store', () => serveStore());

async function withServed(use: (served: Served, clients: Clients) => Promise<void>): Promise<void> {
  const served = await serveStore();
  const clients = new Clients(served.socket);
  try {
    await use(served, clients);
  } finally {
    clients.close();
    await served.close();
  }
}

test('blobs of a client without a namespace are kept for its socket, and no namespace has them', async () => {
  await withServed(async ({ store, socket }, clients) => {
    const data = Buffer.from('of a containerd');
    const digest = digestOf(data);
    const write = new WriteCall(clients.content, headers());
    await write.say({ action: WriteAction.COMMIT, ref: 'default/1/r', data });
    expect(await store.content.has(digest)).toBe(false);
    expect(await store.inPartition(socket).content.has(digest)).toBe(true);
    const { namespaces } = await ask(clients.namespaces, clients.namespaces.list, { filter: '' }, headers());
    expect(namespaces).toEqual([]);
    const { content } = clients;
    const [listed] = await all(content.list({ filters: [] }, headers()) as AsyncIterable<{ info: object[] }>);
    expect(listed?.info).toMatchObject([{ digest }]);
    await ask(content, content.delete, { digest }, headers());
    const gone = ask(content, content.info, { digest }, headers());
    await expect(gone).rejects.toMatchObject({ code: status.NOT_FOUND });
  });
});

test('a diff that no lease can hold leaves no ingest, and lets go of one that the call names', async () => {
  await withServed(async ({ store }, { content, diff }) => {
    const call = (ref: string) =>
      ask(
        diff,
        diff.diff,
        { left: [], right: [], mediaType: '', ref, labels: {}, sourceDateEpoch: undefined },
        headers('n', 'no-lease'),
      );
    for (const ref of ['', 'named'])
      await expect(call(ref)).rejects.toMatchObject({ code: status.NOT_FOUND });
    expect((await store.inNamespace('n').content.statuses()).map(({ ref }) => ref)).toEqual(['named']);
    await ask(content, content.abort, { ref: 'named' }, headers('n'));
  });
});

test('no call reaches what another socket keeps by naming it as a namespace', async () => {
  await withServed(async ({ store }, clients) => {
    const other = store.inPartition('other');
    await other.content.put('r', Buffer.from('theirs'));
    const { namespaces, images } = clients;
    for (const call of [
      ask(images, images.list, { filters: [] }, headers(other.namespace)),
      ask(namespaces, namespaces.get, { name: other.namespace }, headers()),
      ask(namespaces, namespaces.delete, { name: other.namespace }, headers()),
      ask(
        namespaces,
        namespaces.update,
        { namespace: { name: other.namespace, labels: { a: '1' } }, updateMask: [] },
        headers(),
      ),
    ]) {
      await expect(call).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    }
  });
});

test('what a client that has gone wrote is there for the next, whatever became of its stream', async () => {
  await withServed(async ({ store, socket }, clients) => {
    const gone = new Clients(socket);
    const write = new WriteCall(gone.content, headers('n'));
    await write.say({ ref: 'r', data: Buffer.from('abc') });
    write.cancel();
    gone.close();
    const next = new WriteCall(clients.content, headers('n'));
    expect(await next.say({ action: WriteAction.STAT, ref: 'r' })).toMatchObject({ offset: 3 });
    await next.end();
    expect(await store.inNamespace('n').content.status('r')).toMatchObject({ offset: 3 });
  });
});

/** Gives the image another target, and goes on with its transaction until somebody waits for that. */
const RETARGETING = `
  import { writeSync } from 'node:fs';
  import { Metadata } from './src/metadata/db.js';
  import { updateImage } from './src/metadata/images.js';
  const [folder, image] = process.argv.slice(2);
  const metadata = Metadata.open(folder, { durable: false });
  await metadata.write((tx) => {
    updateImage(tx, 'n', JSON.parse(image), ['target']);
    writeSync(1, 'inside\\n');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
  });
  await metadata.close();
`;

test('an image that another process gives another target is not removed by whoever names the old one', async () => {
  await withServed(async ({ store }, { images }) => {
    const target = (text: string) => ({ mediaType: 'm', digest: digestOf(text), size: 3 });
    const rows = store.inNamespace('n').images;
    await rows.create({ name: 'i', target: target('old'), labels: {} });
    const changed = JSON.stringify({ name: 'i', target: target('new'), labels: {} });
    const child = startModule(RETARGETING, [store.folders.metadata, changed]);
    for await (const line of linesOf(child)) {
      expect(line).toBe('inside');
      break;
    }
    const old = { ...target('old'), annotations: {} };
    const removed = ask(images, images.delete, { name: 'i', sync: false, target: old }, headers('n'));
    await expect(removed).rejects.toMatchObject({
      code: status.NOT_FOUND,
      details: expect.stringContaining(`it is ${digestOf('new')} by now`),
    });
    expect(await child.exit).toBe(0);
    expect(rows.get('i')?.target.digest).toBe(digestOf('new'));
  });
});
