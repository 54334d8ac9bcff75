import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/digest.js';
import { type PullOptions, pullImage } from '../../../src/registry/pull.js';
import { blobOf, buildImage, buildIndex, file, json, layerTar, tempFolder } from '../../fixtures/oci.js';
import { cutting, FakeRegistry, hangingUp, refuse, refusing, startServer } from '../../fixtures/registry.js';
import { folderStore, type MemStore, memStore, stateOf } from '../../fixtures/store.js';

const layers = [
  layerTar([file('a', Buffer.alloc(1_500_000, 'one'))]),
  layerTar([file('b/'), file('b/c', 'two')]),
];
const image = buildImage(layers, { compression: 'none' });
const [large, small] = [image.layers[0]!, image.layers[1]!];

const retries = { attempts: 3, firstMs: 1, longestMs: 1000 };
const blobsOnly: PullOptions = { unpack: false, retries, plainHttp: true, environment: {} };

let registry: FakeRegistry;
let store: MemStore;
beforeEach(async () => {
  registry = await FakeRegistry.start();
  store = memStore();
});

describe('a pull', () => {
  it('stores every blob under its digest, says where it came from, and names the image', async () => {
    const name = registry.add(image, 'team/app', '1');
    const { row } = await pullImage(store, name, blobsOnly);
    expect(row).toMatchObject({ name, target: image.descriptor });
    expect(store.images.get(name)).toEqual(row);
    const source = { 'containerd.io/distribution.source.127.0.0.1': 'team/app' };
    for (const [digest, bytes] of image.blobs) {
      expect(Buffer.from(await store.content.read(digest)).equals(bytes)).toBe(true);
      expect((await store.content.info(digest)).labels).toMatchObject(source);
    }
    expect((await store.content.info(image.descriptor.digest)).labels).toMatchObject({
      'containerd.io/gc.ref.content.config': image.config.digest,
      'containerd.io/gc.ref.content.l.1': small.digest,
    });
    expect(await store.content.statuses()).toEqual([]);
  });

  it('fetches nothing that is there', async () => {
    const name = registry.add(image, 'app', '1');
    await pullImage(store, name, blobsOnly);
    registry.asked.length = 0;
    await pullImage(store, name, blobsOnly);
    expect(registry.lines()).toEqual(['HEAD /v2/app/manifests/1']);
  });

  it('adds the repository to the sources of blobs that are there', async () => {
    await pullImage(store, registry.add(image, 'app', '1'), blobsOnly);
    await pullImage(store, registry.add(image, 'other', '1'), blobsOnly);
    expect((await store.content.info(large.digest)).labels).toMatchObject({
      'containerd.io/distribution.source.127.0.0.1': 'app,other',
    });
  });

  it('takes a digest for what it says, and nothing else for it', async () => {
    registry.add(image, 'app', '1');
    const { digest } = image.descriptor;
    const { row } = await pullImage(store, `${registry.host}/app@${digest}`, blobsOnly);
    expect(row.target).toEqual(image.descriptor);
    const other = digestOf('other');
    registry.manifests.set(`app ${other}`, registry.manifests.get(`app ${digest}`)!);
    await expect(pullImage(store, `${registry.host}/app@${other}`, blobsOnly)).rejects.toMatchObject({
      kind: 'corrupt',
      message: expect.stringContaining(`manifest ${other} has the digest ${digest}`),
    });
  });

  it('asks for the manifest itself where a registry does not answer HEAD', async () => {
    const name = registry.add(image, 'app', '1');
    registry.fault(/^HEAD/, refusing(405, 'UNSUPPORTED'), 9);
    expect((await pullImage(store, name, blobsOnly)).row.target).toEqual(image.descriptor);
  });

  it('fetches as many blobs at a time as it is told', async () => {
    const many = buildImage([1, 2, 3, 4, 5, 6].map((n) => layerTar([file(`f${n}`, `${n}`)])));
    const name = registry.add(many, 'app', '1');
    let open = 0;
    let most = 0;
    registry.fault(
      /GET .*blobs/,
      async () => {
        most = Math.max(most, ++open);
        await new Promise((resolve) => setTimeout(resolve, 5));
        open--;
        return false;
      },
      99,
    );
    await pullImage(store, name, { ...blobsOnly, parallel: 3 });
    expect(most).toBe(3);
  });

  it('fetches a blob once for two pulls that run at a time', async () => {
    const one = registry.add(image, 'app', '1');
    const two = registry.add(image, 'app', '2');
    await Promise.all([pullImage(store, one, blobsOnly), pullImage(store, two, blobsOnly)]);
    expect(registry.lines(/blobs/).filter((line) => line.includes(large.digest))).toHaveLength(1);
    expect(store.images.list().map((row) => row.name)).toEqual([one, two]);
  });

  it('says that there is none, with the code of the registry', async () => {
    await expect(pullImage(store, `${registry.host}/app:1`, blobsOnly)).rejects.toMatchObject({
      kind: 'not-found',
      message: `cannot pull ${registry.host}/app:1: MANIFEST_UNKNOWN: manifest unknown (${registry.host}, 404)`,
    });
  });

  it('says that nobody answers', async () => {
    const pulling = pullImage(store, 'localhost:1/app', { ...blobsOnly, plainHttp: false });
    await expect(pulling).rejects.toMatchObject({ kind: 'failed', why: expect.stringContaining('refused') });
  });

  it('reaches a registry on a loopback address without TLS unless told otherwise', async () => {
    const name = registry.add(image, 'app', '1');
    const { plainHttp: _, ...options } = blobsOnly;
    await pullImage(store, name, options);
    await expect(pullImage(store, name, { ...options, insecure: true })).rejects.toMatchObject({
      message: expect.stringContaining('does not speak TLS'),
      hint: '--plain-http',
    });
  });
});

describe('the kind of a manifest', () => {
  it('refuses schema 1 with a hint', async () => {
    const bytes = json({ schemaVersion: 1, name: 'app', fsLayers: [] });
    const mediaType = 'application/vnd.docker.distribution.manifest.v1+prettyjws';
    registry.manifests.set('app 1', { mediaType, bytes });
    await expect(pullImage(store, `${registry.host}/app:1`, blobsOnly)).rejects.toMatchObject({
      kind: 'unsupported',
      hint: expect.stringContaining('skopeo copy'),
    });
  });

  it('reads no manifest that is larger than any may be', async () => {
    registry.add(image, 'app', '1');
    const bytes = Buffer.alloc(4 * 1024 * 1024 + 1, ' ');
    const manifest = { mediaType: image.descriptor.mediaType, bytes };
    registry.manifests.set('app 1', manifest).set(`app ${digestOf(bytes)}`, manifest);
    await expect(pullImage(store, `${registry.host}/app:1`, blobsOnly)).rejects.toMatchObject({
      kind: 'corrupt',
      why: expect.stringContaining('more than the 4194304 allowed'),
    });
  });

  it('believes the manifest where the header is none of those known', async () => {
    const name = registry.add(image, 'app', '1');
    const { bytes } = registry.manifests.get('app 1')!;
    registry.manifests.set('app 1', { mediaType: 'application/json', bytes });
    expect((await pullImage(store, name, blobsOnly)).row.target).toEqual(image.descriptor);
  });
});

describe('an index', () => {
  const arm = buildImage([layerTar([file('arm', 'x')])], { architecture: 'arm64' });
  const index = buildIndex({ amd64: image, arm64: arm });
  const armOnly = { platform: { os: 'linux', architecture: 'arm64' } };

  it('is pulled for one platform', async () => {
    const name = registry.add(index, 'app', '1', index.index);
    const { row, image: pulled } = await pullImage(store, name, { ...blobsOnly, ...armOnly });
    expect(row.target).toEqual(index.index);
    expect(pulled.platform.architecture).toBe('arm64');
    expect(await store.content.has(large.digest)).toBe(false);
    expect(await store.content.has(arm.layers[0]!.digest)).toBe(true);
  });

  it('has no image for a platform that it does not name', async () => {
    const name = registry.add(index, 'app', '1', index.index);
    const platform = { os: 'linux', architecture: 's390x' };
    await expect(pullImage(store, name, { ...blobsOnly, platform })).rejects.toMatchObject({
      kind: 'not-found',
      why: expect.stringContaining('only for linux/amd64, linux/arm64'),
    });
  });

  it('is corrupt where the manifest of another platform is', async () => {
    const name = registry.add(index, 'app', '1', index.index);
    registry.manifests.set(`app ${arm.descriptor.digest}`, registry.manifests.get('app 1')!);
    const platform = { os: 'linux', architecture: 'amd64' };
    await pullImage(store, name, { ...blobsOnly, platform });
    await expect(
      pullImage(store, name, { ...blobsOnly, platform, allPlatforms: true }),
    ).rejects.toMatchObject({
      kind: 'corrupt',
    });
  });

  it('is pulled whole, with what is no image in it', async () => {
    const note = json({ statement: 1 });
    const config = json({ architecture: 'unknown', os: 'unknown', rootfs: { type: 'layers', diff_ids: [] } });
    const describe = (mediaType: string, bytes: Uint8Array) => ({
      mediaType,
      digest: digestOf(bytes),
      size: bytes.length,
    });
    const manifest = json({
      schemaVersion: 2,
      mediaType: image.descriptor.mediaType,
      config: describe(image.config.mediaType, config),
      layers: [describe('application/vnd.in-toto+json', note)],
    });
    const attestation = describe(image.descriptor.mediaType, manifest);
    const bytes = json({
      schemaVersion: 2,
      mediaType: index.index.mediaType,
      manifests: [
        { ...image.descriptor, platform: { os: 'linux', architecture: 'amd64' } },
        { ...arm.descriptor, platform: { os: 'linux', architecture: 'arm64' } },
        { ...attestation, platform: { os: 'unknown', architecture: 'unknown' } },
      ],
    });
    const whole = describe(index.index.mediaType, bytes);
    const blobs = new Map([...image.blobs, ...arm.blobs, [digestOf(note), note], [digestOf(config), config]]);
    blobs.set(attestation.digest, manifest).set(whole.digest, bytes);
    const name = registry.add({ ...image, blobs }, 'app', '1', whole);
    await pullImage(store, name, { ...blobsOnly, ...armOnly, allPlatforms: true });
    for (const digest of blobs.keys()) expect(await store.content.has(digest)).toBe(true);
    expect((await store.content.info(whole.digest)).labels).toMatchObject({
      'containerd.io/gc.ref.content.m.2': attestation.digest,
    });
  });
});

describe('a download that breaks', () => {
  const bytes = blobOf(image, large.digest);
  const isLarge = new RegExp(`GET .*${large.digest}`);

  it('goes on where the connection was cut', async () => {
    const name = registry.add(image, 'app', '1');
    registry.fault(isLarge, cutting(bytes, 1_000_000));
    await pullImage(store, name, blobsOnly);
    const ranges = registry.asked
      .filter(({ url }) => url.includes(large.digest))
      .map(({ headers }) => headers.range);
    expect(ranges).toEqual([undefined, 'bytes=1000000-']);
    await store.content.verify(large.digest);
  });

  it('has as many tries as before after each progress', async () => {
    const name = registry.add(image, 'app', '1');
    for (let at = 1; at <= 5; at++) {
      registry.fault(isLarge, ({ headers }, response) => {
        const from = Number(/\d+/.exec(headers.range ?? '0')?.[0]);
        const rest = bytes.subarray(from);
        response.writeHead(from > 0 ? 206 : 200, {
          'Content-Length': rest.length,
          ...(from > 0 ? { 'Content-Range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
        });
        response.write(rest.subarray(0, 200_000), () => response.destroy());
        return true;
      });
    }
    await pullImage(store, name, blobsOnly);
    expect(registry.lines(isLarge)).toHaveLength(6);
  });

  it('reads past what is known where the server begins anew', async () => {
    const name = registry.add(image, 'app', '1');
    registry.fault(isLarge, cutting(bytes, 1_000_000));
    registry.fault(isLarge, (_, response) => {
      response.writeHead(200, { 'Content-Length': bytes.length }).end(bytes);
      return true;
    });
    await pullImage(store, name, blobsOnly);
    await store.content.verify(large.digest);
  });

  it('is gone on with by the next pull', async () => {
    const name = registry.add(image, 'app', '1');
    registry.fault(isLarge, cutting(bytes, 1_000_000), 1);
    registry.fault(isLarge, hangingUp, 3);
    const before = await stateOf(store);
    await expect(pullImage(store, name, blobsOnly)).rejects.toMatchObject({ kind: 'failed' });
    const [ingest, ...more] = await store.content.statuses();
    expect(ingest).toMatchObject({ offset: 1_000_000, total: bytes.length, expected: large.digest });
    expect(more).toEqual([]);
    expect({ ...((await stateOf(store)) as object), ingests: [] }).toEqual(before);

    registry.asked.length = 0;
    registry.faults.length = 0;
    await pullImage(store, name, blobsOnly);
    expect(registry.asked.find(({ url }) => url.includes(large.digest))?.headers.range).toBe(
      'bytes=1000000-',
    );
    await store.content.verify(large.digest);
    expect(await store.content.statuses()).toEqual([]);
  });

  it('is begun anew where what was left is damaged', async () => {
    const name = registry.add(image, 'app', '1');
    const options = { ref: `import-${large.digest}`, expected: large.digest, total: bytes.length };
    const writer = await store.content.writer(options);
    await writer.write(Buffer.alloc(700_000, 'rubbish'));
    await writer.close();
    await pullImage(store, name, blobsOnly);
    await store.content.verify(large.digest);
  });

  it('ends the others when it fails for good', async () => {
    const name = registry.add(image, 'app', '1');
    registry.fault(isLarge, (_, response) => {
      response.writeHead(200, { 'Content-Length': bytes.length });
      return true;
    });
    registry.fault(new RegExp(`GET .*${small.digest}`), refusing(404, 'BLOB_UNKNOWN'));
    await expect(pullImage(store, name, blobsOnly)).rejects.toMatchObject({
      kind: 'not-found',
      why: expect.stringContaining('BLOB_UNKNOWN'),
    });
  });

  it('ends as corrupt where the bytes have another digest, and nothing of them is kept', async () => {
    const name = registry.add(image, 'app', '1');
    const before = await stateOf(store);
    registry.blobs.set(`app ${large.digest}`, Buffer.alloc(bytes.length));
    await expect(pullImage(store, name, blobsOnly)).rejects.toMatchObject({ kind: 'corrupt' });
    expect(await stateOf(store)).toEqual(before);
  });

  it('ends as corrupt where there are more bytes than the manifest says', async () => {
    const name = registry.add(image, 'app', '1');
    registry.blobs.set(`app ${large.digest}`, Buffer.concat([bytes, bytes]));
    await expect(pullImage(store, name, blobsOnly)).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it('leaves the names as they were when it is called off, and keeps what came', async () => {
    const name = registry.add(image, 'app', '1');
    const stopping = new AbortController();
    registry.fault(isLarge, (_, response) => {
      response.writeHead(200, { 'Content-Length': bytes.length });
      response.write(bytes.subarray(0, 1_000_000));
      return true;
    });
    const before = await stateOf(store);
    const pulling = pullImage(store, name, {
      ...blobsOnly,
      signal: stopping.signal,
      onProgress: ({ id, done }) => {
        if (id === large.digest && done >= 524_288) stopping.abort();
      },
    });
    await expect(pulling).rejects.toMatchObject({
      kind: 'canceled',
      hint: expect.stringContaining('goes on'),
    });
    const [ingest] = await store.content.statuses();
    expect(ingest?.offset).toBeGreaterThan(500_000);
    expect({ ...((await stateOf(store)) as object), ingests: [] }).toEqual(before);
    // The small layer was whole: it is not fetched again.
    registry.asked.length = 0;
    await pullImage(store, name, blobsOnly);
    expect(registry.lines(new RegExp(small.digest))).toEqual([]);
  });

  it('is given up after the connection stood still', async () => {
    const name = registry.add(image, 'app', '1');
    registry.fault(isLarge, (_, response) => {
      response.writeHead(200, { 'Content-Length': bytes.length });
      response.write(bytes.subarray(0, 1000));
      return true;
    });
    await pullImage(store, name, { ...blobsOnly, idleTimeoutMs: 100 });
    expect(registry.lines(isLarge)).toHaveLength(2);
  });
});

describe('a registry that is busy', () => {
  it.each([429, 500, 502, 503, 504])('is asked again after %s', async (status) => {
    const name = registry.add(image, 'app', '1');
    const notes: string[] = [];
    registry.fault(/HEAD/, refusing(status, 'TOOMANYREQUESTS'));
    registry.fault(/GET .*blobs/, refusing(status, 'TOOMANYREQUESTS'), 2);
    await pullImage(store, name, { ...blobsOnly, onRetry: (text) => notes.push(text) });
    expect(notes).toHaveLength(3);
    expect(notes[1]).toContain(`(${registry.host}, ${status}); trying again in`);
  });

  it('is waited for as long as it asks', async () => {
    const name = registry.add(image, 'app', '1');
    const notes: string[] = [];
    registry.fault(/HEAD/, refusing(429, 'TOOMANYREQUESTS', { 'Retry-After': '1' }));
    await pullImage(store, name, { ...blobsOnly, onRetry: (text) => notes.push(text) });
    expect(notes).toEqual([expect.stringContaining('trying again in 1.0 s')]);
  });

  it('is given up when it asks for too long a wait', async () => {
    const name = registry.add(image, 'app', '1');
    const later = new Date(Date.now() + 3_600_000).toUTCString();
    registry.fault(/./, refusing(429, 'TOOMANYREQUESTS', { 'Retry-After': later }), 9);
    await expect(pullImage(store, name, blobsOnly)).rejects.toMatchObject({
      kind: 'failed',
      why: expect.stringContaining('TOOMANYREQUESTS'),
    });
    expect(registry.asked).toHaveLength(1);
  });

  it('is given up after some tries', async () => {
    const name = registry.add(image, 'app', '1');
    registry.fault(/GET .*blobs/, hangingUp, 99);
    await expect(pullImage(store, name, blobsOnly)).rejects.toMatchObject({
      kind: 'failed',
      why: expect.stringContaining('the connection was cut'),
    });
    expect(registry.lines(new RegExp(`blobs/${image.config.digest}`))).toHaveLength(3);
  });
});

describe('a redirect', () => {
  it('is followed, and another host is sent no login', async () => {
    const name = registry.add(image, 'app', '1');
    const seen: unknown[] = [];
    const storage = await startServer((request, response) => {
      seen.push(request.headers.authorization, request.headers.range);
      response.end(blobOf(image, large.digest));
    });
    registry.fault(/HEAD/, ({ headers }, response) => {
      if (headers.authorization !== undefined) return false;
      refuse(response, 401, 'UNAUTHORIZED', { 'WWW-Authenticate': 'Basic realm="x"' });
      return true;
    });
    registry.fault(new RegExp(`blobs/${large.digest}`), (_, response) => {
      response.writeHead(307, { Location: `http://${storage.host}/bucket?sig=1` }).end();
      return true;
    });
    const folder = tempFolder();
    try {
      const auth = join(folder, 'auth.json');
      writeFileSync(auth, JSON.stringify({ auths: { [registry.host]: { username: 'u', password: 'p' } } }));
      await pullImage(store, name, { ...blobsOnly, environment: { REGISTRY_AUTH_FILE: auth } });
    } finally {
      rmSync(folder, { recursive: true });
    }
    expect(seen).toEqual([undefined, undefined]);
    const basic = `Basic ${Buffer.from('u:p').toString('base64')}`;
    const redirected = registry.asked.find(({ url }) => url.includes(large.digest));
    expect(redirected?.headers.authorization).toBe(basic);
  });

  it('that leads in a circle is left', async () => {
    const name = registry.add(image, 'app', '1');
    registry.fault(
      /./,
      ({ url }, response) => {
        response.writeHead(307, { Location: url }).end();
        return true;
      },
      99,
    );
    await expect(pullImage(store, name, blobsOnly)).rejects.toMatchObject({
      why: expect.stringContaining('redirects more than 10 times'),
    });
  });
});

it('gets a layer that registries do not keep where its descriptor says', async () => {
  const elsewhere = await startServer((_, response) => response.end(blobOf(image, small.digest)));
  const mediaType = 'application/vnd.docker.image.rootfs.foreign.diff.tar';
  const foreign = { ...small, mediaType, urls: [`http://${elsewhere.host}/layer`] };
  const built = buildImage(layers, { compression: 'none', manifest: { layers: [large, foreign] } });
  const name = registry.add(built, 'app', '1');
  registry.blobs.delete(`app ${small.digest}`);
  await pullImage(store, name, blobsOnly);
  await store.content.verify(small.digest);
});

describe('unpacking', () => {
  let folder: string;
  beforeEach(() => {
    folder = tempFolder();
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('goes on while later layers are fetched', async () => {
    const name = registry.add(image, 'app', '1');
    const disk = folderStore(folder);
    try {
      registry.fault(new RegExp(small.digest), async () => {
        // The layer below it can only be there if nobody waited for this one.
        for (;;) {
          const names: string[] = [];
          for await (const one of disk.snapshots.walk()) names.push(one.name);
          if (names.includes(image.chainIds[0]!)) return false;
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      });
      const { unpack: _, ...options } = blobsOnly;
      await pullImage(disk, name, options);
      expect((await disk.snapshots.stat(image.chainIds[1]!)).kind).toBe('committed');
      expect((await disk.content.info(large.digest)).labels).toMatchObject({
        'containerd.io/uncompressed': image.diffIds[0],
      });
      expect(await disk.content.statuses()).toEqual([]);
    } finally {
      await disk.close();
    }
  });

  it('sees nothing of a damaged part that was left', async () => {
    const name = registry.add(image, 'app', '1');
    const disk = folderStore(folder);
    try {
      const options = { ref: `import-${large.digest}`, expected: large.digest, total: large.size };
      const writer = await disk.content.writer(options);
      await writer.write(Buffer.alloc(700_000, 'rubbish'));
      await writer.close();
      const { unpack: _, ...words } = blobsOnly;
      await pullImage(disk, name, words);
      expect((await disk.snapshots.stat(image.chainIds[1]!)).kind).toBe('committed');
    } finally {
      await disk.close();
    }
  });

  it('leaves no snapshot when a later layer fails', async () => {
    const name = registry.add(image, 'app', '1');
    const disk = folderStore(folder);
    try {
      registry.blobs.set(`app ${small.digest}`, Buffer.alloc(blobOf(image, small.digest).length));
      const { unpack: _, ...options } = blobsOnly;
      const before = await stateOf(disk);
      await expect(pullImage(disk, name, options)).rejects.toMatchObject({ kind: 'corrupt' });
      expect({ ...((await stateOf(disk)) as object), ingests: [] }).toEqual(before);
    } finally {
      await disk.close();
    }
  });
});
