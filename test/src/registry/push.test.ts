import { beforeEach, describe, expect, it } from 'vitest';
import { MemContent } from '../../../src/content/mem-content.js';
import type { Digest } from '../../../src/digest.js';
import { nameImage } from '../../../src/images/import.js';
import type { ImageRow } from '../../../src/metadata/rows.js';
import { pullImage } from '../../../src/registry/pull.js';
import { type PushOptions, pushImage } from '../../../src/registry/push.js';
import { type BuiltImage, blobOf, buildImage, buildIndex, file, layerTar } from '../../fixtures/oci.js';
import { FakeRegistry, hangingUp, refuse, refusing } from '../../fixtures/registry.js';
import { type MemStore, memStore } from '../../fixtures/store.js';

const layers = [
  layerTar([file('a', Buffer.alloc(1_500_000, 'one'))]),
  layerTar([file('b/'), file('b/c', 'two')]),
];
const image = buildImage(layers, { compression: 'none' });
const [large, small] = [image.layers[0]!, image.layers[1]!];
const bytes = Buffer.from(blobOf(image, large.digest));

const options: PushOptions = {
  retries: { attempts: 3, firstMs: 1, longestMs: 1000 },
  plainHttp: true,
  environment: {},
};

let registry: FakeRegistry;
let store: MemStore;
/** The bytes of the store. */
let onDisk: Map<Digest, Uint8Array>;
let row: ImageRow;
let name: string;
beforeEach(async () => {
  registry = await FakeRegistry.start();
  name = `${registry.host}/team/app:1`;
  onDisk = new Map();
  store = { ...memStore(), content: new MemContent(undefined, onDisk) };
  row = await putImage(image);
});

async function putImage(built: BuiltImage, target = built.descriptor): Promise<ImageRow> {
  for (const [digest, blob] of built.blobs) await store.content.put(`put-${digest}`, blob);
  return nameImage(store, 'mine', target);
}

const push = (more: PushOptions = {}) => pushImage(store, row, name, { ...options, ...more });

/** What the registry was sent of the large layer, put together. */
async function expectWhole(): Promise<void> {
  expect(Buffer.from(registry.blobs.get(`team/app ${large.digest}`) ?? []).equals(bytes)).toBe(true);
  const elsewhere = memStore();
  await pullImage(elsewhere, name, { ...options, unpack: false });
  for (const digest of image.blobs.keys()) await elsewhere.content.verify(digest);
}

const patches = () =>
  registry.asked.filter(({ method }) => method === 'PATCH').map(({ headers }) => headers['content-range']);

describe('a push', () => {
  it('sends blobs, then the manifest under its tag', async () => {
    expect(await push()).toEqual({ reference: name, target: image.descriptor });
    expect(registry.lines().at(-1)).toBe('PUT /v2/team/app/manifests/1');
    expect(registry.manifests.get('team/app 1')?.mediaType).toBe(image.descriptor.mediaType);
    await expectWhole();
  });

  it('sends nothing that is there', async () => {
    await push();
    registry.asked.length = 0;
    const became: string[] = [];
    await push({ onBlob: (_, how) => became.push(how) });
    expect(became).toEqual(['exists', 'exists', 'exists']);
    expect(registry.lines(/^(?!HEAD)/)).toEqual(['PUT /v2/team/app/manifests/1']);
  });

  it('mounts what another repository of the registry has', async () => {
    const from = registry.add(image, 'library/base', '1');
    await pullImage(store, from, { ...options, unpack: false });
    const became: string[] = [];
    await push({ onBlob: (_, how) => became.push(how) });
    expect(became).toEqual(['mounted', 'mounted', 'mounted']);
    expect(registry.lines(/mount=/)[0]).toContain('&from=library%2Fbase');
    expect(patches()).toEqual([]);
    await expectWhole();
  });

  it('sends what the other repository does not have any more, by the upload that was begun', async () => {
    const from = registry.add(image, 'library/base', '1');
    await pullImage(store, from, { ...options, unpack: false });
    for (const digest of image.blobs.keys()) registry.blobs.delete(`library/base ${digest}`);
    await push();
    expect(registry.lines(/^POST/).every((line) => line.includes('mount='))).toBe(true);
    await expectWhole();
  });

  it('sends what may not be mounted', async () => {
    await pullImage(store, registry.add(image, 'library/base', '1'), { ...options, unpack: false });
    registry.fault(/mount=/, refusing(403, 'DENIED'), 9);
    await push();
    await expectWhole();
  });

  it('sends the manifests of an index before it, and the tag last', async () => {
    const arm = buildImage([layerTar([file('arm', 'x')])], { architecture: 'arm64' });
    const index = buildIndex({ amd64: image, arm64: arm });
    row = await putImage(index, index.index);
    expect((await push()).target).toEqual(index.index);
    expect(registry.lines(/^PUT .*manifests/)).toEqual([
      `PUT /v2/team/app/manifests/${image.descriptor.digest}`,
      `PUT /v2/team/app/manifests/${arm.descriptor.digest}`,
      'PUT /v2/team/app/manifests/1',
    ]);
  });

  it('sends the image that is here of an index that is not whole, or the one asked for', async () => {
    const arm = buildImage([layerTar([file('arm', 'x')])], { architecture: 'arm64' });
    const index = buildIndex({ amd64: image, arm64: arm });
    row = await putImage(index, index.index);
    const platform = { os: 'linux', architecture: 'arm64' };
    expect((await push({ platform })).target.digest).toBe(arm.descriptor.digest);
    for (const digest of arm.blobs.keys()) await store.content.discard(digest);
    expect((await push()).target.digest).toBe(image.descriptor.digest);
  });

  it('leaves out a layer that lies elsewhere', async () => {
    const foreign = {
      ...small,
      mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar',
      urls: ['http://127.0.0.1:1/layer'],
    };
    const built = buildImage(layers, { compression: 'none', manifest: { layers: [large, foreign] } });
    row = await putImage(built);
    await store.content.discard(small.digest);
    await push();
    expect(registry.lines(new RegExp(small.digest))).toEqual([]);
    expect(registry.manifests.has(`team/app ${built.descriptor.digest}`)).toBe(true);
  });

  it('refuses a digest that is not that of the image, and names that are none', async () => {
    const wrong = `${registry.host}/team/app@sha256:${'0'.repeat(64)}`;
    await expect(pushImage(store, row, wrong, options)).rejects.toMatchObject({ kind: 'invalid-argument' });
    await expect(pushImage(store, row, 'a b', options)).rejects.toMatchObject({ kind: 'invalid-argument' });
    const right = `${registry.host}/team/app@${image.descriptor.digest}`;
    await pushImage(store, row, right, options);
    expect(registry.lines(/^PUT .*manifests/)).toEqual([
      `PUT /v2/team/app/manifests/${image.descriptor.digest}`,
    ]);
  });

  it('says what is missing of the image before it asks the registry', async () => {
    await store.content.discard(small.digest);
    await expect(push()).rejects.toMatchObject({ message: expect.stringContaining(small.digest) });
    expect(registry.asked).toEqual([]);
  });

  it('says it where the registry wants a login', async () => {
    registry.fault(/./, refusing(401, 'UNAUTHORIZED'), 99);
    await expect(push()).rejects.toMatchObject({ hint: expect.stringContaining('podman login') });
  });
});

describe('an upload', () => {
  it('goes in one request, small blobs with the last one', async () => {
    await push();
    expect(patches()).toEqual([`0-${bytes.length - 1}`]);
    expect(registry.lines(/^PUT .*uploads/)).toHaveLength(3);
  });

  it('keeps to the size of chunks that it is told, and to the least that the registry takes', async () => {
    await push({ chunkSize: 500_000 });
    expect(patches().filter((range) => range?.length ?? 0 > 9)).toContain('500000-999999');
    registry = await FakeRegistry.start();
    registry.chunkMinLength = 700_000;
    name = `${registry.host}/team/app:1`;
    await push({ chunkSize: 500_000 });
    expect(patches()).toContain('700000-1399999');
    await expectWhole();
  });

  it('goes on after a break with what the registry does not have', async () => {
    registry.fault(/^PATCH/, hangingUp);
    await push({ chunkSize: 600_000, parallel: 1 });
    await expectWhole();
    registry = await FakeRegistry.start();
    name = `${registry.host}/team/app:1`;
    let patched = 0;
    registry.faults.push(({ method }, response) => {
      if (method !== 'PATCH' || ++patched !== 2) return false;
      response.destroy();
      return true;
    });
    await push({ chunkSize: 600_000, parallel: 1 });
    expect(registry.lines(/^GET .*uploads/)).toHaveLength(1);
    expect(patches()).toEqual([
      '0-599999',
      '600000-1199999',
      '600000-1199999',
      `1200000-${bytes.length - 1}`,
    ]);
    await expectWhole();
  });

  it('begins anew where the registry has forgotten it', async () => {
    registry.fault(/^PATCH/, refusing(404, 'BLOB_UPLOAD_UNKNOWN'));
    registry.fault(/^GET .*uploads/, refusing(404, 'BLOB_UPLOAD_UNKNOWN'));
    await push();
    expect(registry.lines(/^POST/)).toHaveLength(image.blobs.size);
    await expectWhole();
  });

  it('sends chunks to a registry that does not take the whole', async () => {
    const huge = buildImage([layerTar([file('h', Buffer.alloc(9_000_000, 'huge'))])], {
      compression: 'none',
    });
    row = await putImage(huge);
    registry.faults.push(({ method }, response, body) => {
      if (method !== 'PATCH' || body.length <= 5_000_000) return false;
      refuse(response, 413, 'SIZE_INVALID');
      return true;
    });
    await push();
    expect(patches().slice(1)).toEqual([
      '0-4194303',
      '4194304-8388607',
      `8388608-${huge.layers[0]!.size - 1}`,
    ]);
  });

  it.each([429, 500, 503])('is tried again after %s', async (status) => {
    registry.fault(/^(POST|PATCH|PUT)/, refusing(status, 'TOOMANYREQUESTS'), 2);
    await push({ parallel: 1 });
    await expectWhole();
  });

  it('is begun anew where what the registry kept is damaged', async () => {
    registry.fault(/^PATCH/, hangingUp);
    let refused = false;
    registry.faults.push(({ method, url }, response) => {
      if (refused || method !== 'PUT' || !url.includes(encodeURIComponent(large.digest))) return false;
      refused = true;
      refuse(response, 400, 'DIGEST_INVALID');
      return true;
    });
    await push({ parallel: 1 });
    await expectWhole();
  });

  it('says that it is the blob here that is damaged', async () => {
    const damaged = Buffer.from(bytes);
    damaged[1000] = 0;
    onDisk.set(large.digest, damaged);
    await expect(push()).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it('stops the others when one fails, and gives the reason', async () => {
    registry.fault(/^POST/, refusing(403, 'DENIED'), 99);
    await expect(push()).rejects.toMatchObject({ kind: 'failed', why: expect.stringContaining('DENIED') });
  });
});
