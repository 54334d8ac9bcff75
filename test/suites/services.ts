// What every server of containerd's services answers, ours and containerd's own: the statuses of failures, and what a
// Write does to an ingest. Each test has namespaces of its own, so that one server is enough.

import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Container } from '../../src/containerd/gen/containerd/services/containers/v1/containers.js';
import { WriteAction } from '../../src/containerd/gen/containerd/services/content/v1/content.js';
import { digestOf } from '../../src/digest.js';
import { all, ask, Clients, headers } from '../src/containerd/clients.js';
import { FAILURES } from './services-failures.js';
import { outcome, Place } from './services-place.js';

const NONE = digestOf('nobody has written this');
const { STAT, WRITE, COMMIT } = WriteAction;

/** A server that is up. */
export interface Served {
  readonly socket: string;
  close(): Promise<void>;
}

/** Runs the tests on a server; `open` is called once. */
export function servicesSuite(name: string, open: () => Promise<Served>): void {
  describe(name, () => {
    let served: Served;
    let clients: Clients;
    let last = 0;
    const place = () => new Place(clients, `suite-${++last}`);
    beforeAll(async () => {
      served = await open();
      clients = new Clients(served.socket);
    });
    afterAll(async () => {
      clients.close();
      await served.close();
    });

    test.each(FAILURES)('$name', async ({ code, says = '', run }) => {
      const at = place();
      const { code: answered, text } = await outcome(run(at));
      expect([status[answered], text]).toEqual([status[code], expect.stringContaining(says)]);
    });

    test.each(['images', 'leases', 'containers'] as const)('%s need a namespace', async (which) => {
      const client = clients[which];
      const list = client.list as typeof clients.leases.list;
      const { code } = await outcome(ask(client, list, { filters: [] }, headers()));
      expect(code).toBe(status.FAILED_PRECONDITION);
    });

    test('a blob is read from any offset, in parts that say where in the reading they stand', async () => {
      const at = place();
      const bytes = Buffer.alloc((2 << 20) + 500, 'micafs ');
      const digest = await at.put(bytes);
      const whole = await at.read(digest);
      expect(whole.bytes.equals(bytes)).toBe(true);
      expect(whole.offsets).toEqual([0, 1 << 20, 2 << 20]);
      const part = await at.read(digest, 1000, (1 << 20) + 1);
      expect(part.bytes.equals(bytes.subarray(1000, 1001 + (1 << 20)))).toBe(true);
      expect(part.offsets).toEqual([0, 1 << 20]);
      const text = await at.put('abcdef');
      const read = async (offset: number, size: number) =>
        (await at.read(text, offset, size)).bytes.toString();
      expect(await read(2, 3)).toBe('cde');
      expect(await read(2, 30)).toBe('cdef');
      expect(await read(2, -1)).toBe('cdef');
      expect(await read(-5, 2)).toBe('ab');
      expect(await read(6, 1)).toBe('');
    });

    test('an ingest is written in messages, each answered with what stands by then', async () => {
      const at = place();
      const write = at.writing();
      const begun = await write.say({ action: STAT, ref: 'r', total: 6 });
      expect(begun).toMatchObject({ action: STAT, offset: 0, total: 6, digest: digestOf('') });
      expect(begun.startedAt).toBeDefined();
      expect(await write.say({ data: Buffer.from('abc') })).toMatchObject({
        action: WRITE,
        offset: 3,
        total: 6,
        digest: digestOf('abc'),
      });
      expect((await at.status('r')).status).toMatchObject({ ref: 'r', offset: 3, total: 6 });
      const done = await write.say({
        action: COMMIT,
        offset: 3,
        data: Buffer.from('def'),
        expected: digestOf('abcdef'),
        labels: { a: '1' },
      });
      expect(done).toMatchObject({ action: COMMIT, offset: 6, digest: digestOf('abcdef') });
      expect((await at.info(digestOf('abcdef'))).info).toMatchObject({ size: 6, labels: { a: '1' } });
      expect((await outcome(at.status('r'))).code).toBe(status.NOT_FOUND);
    });

    test('what a stream has written without a commit is gone on with by the next of its ref', async () => {
      const at = place();
      const first = at.writing();
      await first.say({ ref: 'r', data: Buffer.from('abc') });
      await first.end();
      const next = at.writing();
      expect(await next.say({ action: STAT, ref: 'r' })).toMatchObject({
        offset: 3,
        digest: digestOf('abc'),
      });
      await next.say({ action: COMMIT, offset: 3, data: Buffer.from('def') });
      expect((await at.read(digestOf('abcdef'))).bytes.toString()).toBe('abcdef');
    });

    test('a write elsewhere than at the end is refused, and one at the start begins again', async () => {
      const at = place();
      const first = at.writing();
      await first.say({ ref: 'r', data: Buffer.from('abc') });
      expect((await outcome(first.say({ offset: 2, data: Buffer.from('x') }))).code).toBe(
        status.OUT_OF_RANGE,
      );
      const next = at.writing();
      expect(await next.say({ action: STAT, ref: 'r' })).toMatchObject({ offset: 3 });
      expect(await next.say({ offset: 0 })).toMatchObject({ offset: 0, digest: digestOf('') });
      expect(await next.say({ data: Buffer.from('xy') })).toMatchObject({
        offset: 2,
        digest: digestOf('xy'),
      });
      await next.end();
    });

    test.each([
      ['size', { total: 4 }],
      ['digest', { expected: NONE }],
    ])('a commit of another %s fails and leaves the ingest', async (_, told) => {
      const at = place();
      const first = at.writing();
      await first.say({ ref: 'r', data: Buffer.from('abc') });
      const { code } = await outcome(first.say({ action: COMMIT, offset: 3, ...told }));
      expect(code).toBe(status.FAILED_PRECONDITION);
      const next = at.writing();
      expect(await next.say({ action: STAT, ref: 'r' })).toMatchObject({ offset: 3 });
      await next.say({ action: COMMIT, offset: 3 });
      expect((await at.info(digestOf('abc'))).info?.size).toBe(3);
    });

    test('a second writer of a ref is told that it is taken, and has it once the first has closed', async () => {
      const at = place();
      const first = at.writing();
      await first.say({ ref: 'r', data: Buffer.from('abc') });
      expect((await outcome(at.writing().say({ action: STAT, ref: 'r' }))).code).toBe(status.UNAVAILABLE);
      await first.end();
      const next = at.writing();
      expect(await next.say({ action: STAT, ref: 'r' })).toMatchObject({ offset: 3 });
      await next.end();
    });

    test('a writer that learns that the blob is there ends, and its ingest with it', async () => {
      const at = place();
      const digest = await at.put('abc');
      const write = at.writing();
      await write.say({ ref: 'r', data: Buffer.from('ab') });
      const { code, text } = await outcome(write.say({ action: STAT, expected: digest }));
      expect([code, text]).toEqual([status.ALREADY_EXISTS, expect.stringContaining(digest)]);
      expect((await outcome(at.status('r'))).code).toBe(status.NOT_FOUND);
    });

    test('what another namespace has is whole from the start', async () => {
      const [one, two] = [place(), place()];
      const digest = await one.put('abcdef');
      const write = two.writing();
      expect(await write.say({ action: STAT, ref: 'r', expected: digest })).toMatchObject({
        offset: 6,
        digest,
      });
      expect((await outcome(two.info(digest))).code).toBe(status.NOT_FOUND);
      await write.say({ action: COMMIT, offset: 6, expected: digest });
      expect((await two.read(digest)).bytes.toString()).toBe('abcdef');
    });

    test('ingests are listed by their refs, and gone when they are ended', async () => {
      const at = place();
      for (const ref of ['r1', 'r2']) {
        const write = at.writing();
        await write.say({ ref, data: Buffer.from(ref) });
        await write.end();
      }
      const { content } = clients;
      const refs = async (filters: string[]) => {
        const { statuses } = await ask(content, content.listStatuses, { filters }, at.headers());
        return statuses.map(({ ref, offset }) => [ref, offset]).sort();
      };
      expect(await refs([])).toEqual([
        ['r1', 2],
        ['r2', 2],
      ]);
      expect(await refs(['ref==r2'])).toEqual([['r2', 2]]);
      await ask(content, content.abort, { ref: 'r1' }, at.headers());
      expect(await refs([])).toEqual([['r2', 2]]);
    });

    test('labels of a blob are set one by one or all at once, and blobs are found by them', async () => {
      const at = place();
      const digest = await at.put('abc', { a: '1', b: '2' });
      const other = await at.put('abcd', { b: '3' });
      const { content } = clients;
      const label = async (labels: Record<string, string>, updateMask: string[]) => {
        const info = { digest, size: 0, createdAt: undefined, updatedAt: undefined, labels };
        return (await ask(content, content.update, { info, updateMask }, at.headers())).info?.labels;
      };
      expect(await label({ a: '7' }, ['labels.a'])).toMatchObject({ a: '7', b: '2' });
      await label({}, ['labels.a']);
      expect((await at.info(digest)).info?.labels).toEqual({ b: '2' });
      await label({ 'c.d': '4' }, ['labels']);
      expect((await at.info(digest)).info?.labels).toEqual({ 'c.d': '4' });
      expect(await at.list(['labels."c.d"==4'])).toEqual([[digest]]);
      expect(await at.list(['labels.b'])).toEqual([[other]]);
      expect(await at.list(['labels.none'])).toEqual([]);
    });

    test('blobs are listed in blocks of a hundred', async () => {
      const at = place();
      for (let i = 0; i < 154; i++) await at.put(`blob ${i}`);
      expect((await at.list()).map(({ length }) => length)).toEqual([100, 54]);
    });

    test('a lease holds what is written under it, from the ingest to the blob', async () => {
      const at = place();
      await at.createLease('l', { a: '1' });
      const there = await at.put('there');
      const write = at.writing('l');
      await write.say({ ref: 'r', data: Buffer.from('abc') });
      expect(await at.leased('l')).toEqual(['ingests r']);
      await write.say({ action: COMMIT, offset: 3 });
      expect(await at.leased('l')).toEqual([`content ${digestOf('abc')}`]);
      await outcome(at.writing('l').say({ action: STAT, ref: 's', expected: there }));
      expect(await at.leased('l')).toEqual([`content ${digestOf('abc')}`, `content ${there}`].sort());
    });

    test('a commit that fails leaves nothing in the lease but the ingest', async () => {
      const at = place();
      await at.createLease('l');
      const write = at.writing('l');
      await write.say({ ref: 'r', data: Buffer.from('abc') });
      await outcome(write.say({ action: COMMIT, offset: 3, expected: NONE }));
      expect(await at.leased('l')).toEqual(['ingests r']);
    });

    test('what a lease held alone is gone when its end was waited for', async () => {
      const at = place();
      const { lease } = await at.createLease();
      expect(lease?.id).toMatch(/^\d+-.{4}$/);
      const digest = await at.put('abc', {}, lease!.id);
      await at.deleteLease(lease!.id, true);
      expect((await outcome(at.info(digest))).code).toBe(status.NOT_FOUND);
    });

    test('what an image names is gone with it when that was waited for', async () => {
      const at = place();
      const { lease } = await at.createLease();
      const layer = await at.put('layer', {}, lease!.id);
      const index = await at.put('index', { 'containerd.io/gc.ref.content.m.0': layer }, lease!.id);
      await at.createImage(at.image('i', index));
      await at.deleteLease(lease!.id, true);
      expect((await at.info(layer)).info?.size).toBe(5);
      await at.deleteImage('i', true);
      for (const digest of [index, layer])
        expect((await outcome(at.info(digest))).code).toBe(status.NOT_FOUND);
    });

    test('leases are listed with their labels, and resources come and go', async () => {
      const at = place();
      await at.createLease('one', { a: '1' });
      await at.createLease('two');
      const { leases } = clients;
      const ids = async (filters: string[]) => {
        const found = await ask(leases, leases.list, { filters }, at.headers());
        return found.leases.map(({ id, labels }) => [id, labels]);
      };
      expect(await ids([])).toEqual([
        ['one', { a: '1' }],
        ['two', {}],
      ]);
      expect(await ids(['labels.a==1'])).toEqual([['one', { a: '1' }]]);
      await at.addResource('one', 'content', NONE);
      await at.addResource('one', 'content', NONE);
      await at.addResource('one', 'snapshots/native', 'some key');
      expect(await at.leased('one')).toEqual([`content ${NONE}`, 'snapshots/native some key']);
      const resource = { type: 'content', id: NONE };
      await ask(leases, leases.deleteResource, { id: 'one', resource }, at.headers());
      await ask(leases, leases.deleteResource, { id: 'one', resource }, at.headers());
      expect(await at.leased('one')).toEqual(['snapshots/native some key']);
    });

    test('an image is made once and changed by field, or as a whole', async () => {
      const at = place();
      const other = digestOf('other');
      const { image: made } = await at.createImage(at.image('i', NONE, { labels: { a: '1', b: '2' } }));
      expect(made?.createdAt).toEqual(made?.updatedAt);
      await at.updateImage(at.image('i', other, { labels: { a: '7' } }), ['labels.a']);
      expect((await at.getImage('i')).image).toMatchObject({
        labels: { a: '7', b: '2' },
        target: { digest: NONE },
        createdAt: made?.createdAt,
      });
      await at.updateImage(at.image('i', other), ['target']);
      expect((await at.getImage('i')).image).toMatchObject({
        labels: { a: '7', b: '2' },
        target: { digest: other },
      });
      await at.updateImage(at.image('i', NONE, { labels: { c: '3' } }), []);
      expect((await at.getImage('i')).image).toMatchObject({
        labels: { c: '3' },
        target: { digest: NONE, size: 7 },
        createdAt: made?.createdAt,
      });
      await at.createImage(at.image('j', NONE));
      const { images } = clients;
      const names = async (filters: string[]) =>
        (await ask(images, images.list, { filters }, at.headers())).images.map(({ name: found }) => found);
      expect(await names([])).toEqual(['i', 'j']);
      expect(await names(['name==j', 'labels.c==3'])).toEqual(['i', 'j']);
      expect(await names([`target.digest==${other}`])).toEqual([]);
      await at.deleteImage('i');
      expect(await names([])).toEqual(['j']);
    });

    test('a container comes back as it was made, and its fields are changed one by one', async () => {
      const at = place();
      const extensions = { ext: { typeUrl: 'e', value: Buffer.from('x') } };
      const options = { typeUrl: 'o', value: Buffer.from([1, 2]) };
      const runtime = { name: 'io.containerd.runc.v2', options };
      await at.createContainer(at.container('c', { extensions, runtime }));
      const { container } = await at.getContainer('c');
      const whole = at.container('c', { extensions, runtime });
      expect({ ...container, createdAt: undefined, updatedAt: undefined }).toEqual(whole);
      const bare = { spec: undefined, runtime: undefined, image: 'alpine', labels: { b: '2' } };
      const { container: changed } = await at.updateContainer(at.container('c', bare), ['image', 'labels.b']);
      expect(changed).toMatchObject({
        image: 'alpine',
        labels: { a: '1', b: '2' },
        spec: { typeUrl: 'spec' },
      });
      expect(changed?.createdAt).toEqual(container?.createdAt);
      await at.createContainer(at.container('d'));
      const { containers } = clients;
      const stream = containers.listStream({ filters: [] }, at.headers());
      const streamed = await all(stream as AsyncIterable<{ container: Container }>);
      expect(streamed.map((message) => message.container.id)).toEqual(['c', 'd']);
      const filters = ['image==alpine'];
      const found = await ask(containers, containers.list, { filters }, at.headers());
      expect(found.containers.map(({ id }) => id)).toEqual(['c']);
      await at.deleteContainer('c');
      expect((await outcome(at.getContainer('c'))).code).toBe(status.NOT_FOUND);
    });

    test('a namespace is made by name or by what is put into it, and goes when it is empty', async () => {
      const at = place();
      const named = `${at.namespace}-named`;
      await at.createNamespace(named, { a: '1', b: '2' });
      await at.labelNamespace(named, { a: '7' }, ['labels.a']);
      await at.labelNamespace(named, {}, ['labels.b']);
      expect(await at.namespaceLabels(named)).toEqual({ a: '7' });
      await at.labelNamespace(named, { c: '3' }, []);
      expect(await at.namespaceLabels(named)).toEqual({ c: '3' });
      await at.createImage(at.image('i', NONE));
      const { namespaces } = clients;
      const names = async () => {
        const listed = await ask(namespaces, namespaces.list, { filter: '' }, headers());
        return listed.namespaces.map(({ name: found }) => found);
      };
      expect(await names()).toEqual(expect.arrayContaining([named, at.namespace]));
      await at.deleteNamespace(named);
      await at.deleteImage('i', true);
      await at.deleteNamespace(at.namespace);
      const left = await names();
      expect([named, at.namespace].filter((one) => left.includes(one))).toEqual([]);
    });
  });
}
