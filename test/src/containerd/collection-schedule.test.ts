import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ImagesClient } from '../../../src/containerd/gen/containerd/services/images/v1/images.js';
import { CollectionSchedule } from '../../../src/containerd/server/collection-schedule.js';
import { Digester } from '../../../src/digest.js';
import { ask, headers, insecure, serveStore } from './served.js';

const DELETE = '/containerd.services.images.v1.Images/Delete';
const CREATE = '/containerd.services.images.v1.Images/Create';

describe('a schedule', () => {
  let collections: number;
  let faults: unknown[];
  let schedule: CollectionSchedule;
  beforeEach(() => {
    vi.useFakeTimers();
    collections = 0;
    faults = [];
    const collect = async () => {
      const ended = schedule.begin();
      collections++;
      // That long it takes.
      await vi.advanceTimersByTimeAsync(100);
      ended();
      if (collections === 2) throw new Error('the disk');
    };
    schedule = new CollectionSchedule(collect, (error) => faults.push(error));
  });
  afterEach(() => void vi.useRealTimers());

  test('collects once what is let go of together, rests, and what fails keeps nobody from the next', async () => {
    for (let n = 0; n < 3; n++) schedule.done(DELETE);
    await vi.advanceTimersByTimeAsync(999);
    expect(collections).toBe(0);
    await vi.advanceTimersByTimeAsync(101);
    expect(collections).toBe(1);
    schedule.done('/containerd.services.leases.v1.Leases/Delete');
    await vi.advanceTimersByTimeAsync(4000);
    expect(collections).toBe(1);
    await vi.advanceTimersByTimeAsync(2000);
    expect([collections, faults.length]).toEqual([2, 1]);
    schedule.done(DELETE);
    await vi.advanceTimersByTimeAsync(6000);
    expect(collections).toBe(3);
  });

  test('collects after a hundred changes that let go of nothing, and never after questions', async () => {
    for (let n = 0; n < 500; n++) schedule.done('/containerd.services.images.v1.Images/Get');
    for (let n = 0; n < 99; n++) schedule.done(CREATE);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(collections).toBe(0);
    schedule.done(CREATE);
    await vi.advanceTimersByTimeAsync(2000);
    expect(collections).toBe(1);
  });

  test('leaves to a collection that somebody waits for what was let go of before', async () => {
    schedule.done(DELETE);
    schedule.begin()();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(collections).toBe(0);
  });

  test('ends with its server', async () => {
    schedule.done(DELETE);
    schedule.close();
    schedule.done(DELETE);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(collections).toBe(0);
  });
});

test('a server removes what an image held, though its client does not wait, and leaves what a lease holds', async () => {
  const served = await serveStore({ collectAfterMs: 1 });
  const { content, images, leases } = served.store.inNamespace('ns');
  const put = async (text: string) => {
    const bytes = Buffer.from(text);
    const digester = new Digester();
    digester.update(bytes);
    const digest = digester.digest();
    const writer = await content.writer({ ref: text });
    await writer.write(bytes);
    await writer.commit({ expected: digest });
    return { mediaType: 'application/octet-stream', digest, size: bytes.length };
  };
  const [target, leased] = [await put('target'), await put('leased')];
  await images.create({ name: 'image', target, labels: {} });
  const { id } = await leases.create(undefined, {});
  await leases.add(id, { type: 'content', id: leased.digest });
  const client = new ImagesClient(served.target, insecure());
  const request = { name: 'image', sync: false, target: undefined };
  await ask((done) => client.delete(request, headers({ 'containerd-namespace': 'ns' }), done));
  const there = () =>
    content.info(target.digest).then(
      () => true,
      () => false,
    );
  await expect.poll(there, { timeout: 20_000 }).toBe(false);
  expect((await content.info(leased.digest)).size).toBe(6);
  client.close();
  await served.close();
  expect(served.faults).toEqual([]);
}, 30_000);
