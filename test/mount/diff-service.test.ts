// diff.v1 on mounts that are nobody's snapshot: a layer is applied to what they show, and two of them are compared.

import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WriteAction } from '../../src/containerd/gen/containerd/services/content/v1/content.js';
import type { Mount } from '../../src/containerd/gen/containerd/types/mount.js';
import { digestOf } from '../../src/digest.js';
import { describeWith } from '../requires.js';
import { ask, Clients, headers, WriteCall } from '../src/containerd/clients.js';
import { type Served, serveStore } from '../src/containerd/served.js';
import { readTar } from '../src/diff/tar-tools.js';

const OCI_TAR = 'application/vnd.oci.image.layer.v1.tar';

describeWith(['root', 'overlay'], 'the differ of a server', () => {
  let folder: string;
  let served: Served;
  let clients: Clients;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mica-diff-service-'));
    served = await serveStore();
    clients = new Clients(served.socket);
    for (const name of ['base/d', 'upper', 'work', 'layer/d'])
      mkdirSync(join(folder, name), { recursive: true });
    for (const name of ['base/one', 'base/two', 'base/d/x']) writeFileSync(join(folder, name), name);
  });
  afterEach(async () => {
    clients.close();
    await served.close();
    expect(served.faults).toEqual([]);
    rmSync(folder, { recursive: true, force: true });
  });

  const bind = (name: string): Mount => ({
    type: 'bind',
    source: join(folder, name),
    target: '',
    options: ['rbind', 'rw'],
  });
  const overlay = (): Mount => {
    const at = (key: string, name: string) => `${key}=${join(folder, name)}`;
    const options = [at('lowerdir', 'base'), at('upperdir', 'upper'), at('workdir', 'work')];
    return { type: 'overlay', source: 'overlay', target: '', options };
  };

  /** A layer that removes `two`, empties `d` and adds to it, with a time of the root; as a blob. Returns its tar. */
  async function putLayer(): Promise<Buffer> {
    const layer = join(folder, 'layer');
    for (const name of ['.wh.two', 'd/.wh..wh..opq']) writeFileSync(join(layer, name), '');
    writeFileSync(join(layer, 'd/y'), 'new');
    const words = ['--sort=name', '--mtime=@1234567', '-C', layer, '-cf', '-', '.'];
    const tar = execFileSync('tar', words);
    const write = new WriteCall(clients.content, headers('n'));
    await write.say({ action: WriteAction.COMMIT, ref: 'r', data: tar });
    return tar;
  }

  function apply(tar: Buffer, mount: Mount) {
    const { diff } = clients;
    const layer = { mediaType: OCI_TAR, digest: digestOf(tar), size: tar.length, annotations: {} };
    const request = { diff: layer, mounts: [mount], payloads: {}, syncFs: false };
    return ask(diff, diff.apply, request, headers('n'));
  }

  test('applies a layer to a plain folder, and leaves nothing of its own there', async () => {
    const tar = await putLayer();
    const { applied } = await apply(tar, bind('base'));
    expect(applied).toMatchObject({ mediaType: OCI_TAR, digest: digestOf(tar), size: tar.length });
    expect(readdirSync(join(folder, 'base')).sort()).toEqual(['d', 'one']);
    expect(readdirSync(join(folder, 'base/d'))).toEqual(['y']);
    expect(lstatSync(join(folder, 'base')).mtimeMs).toBe(1234567_000);
  });

  test('applies a layer to an overlay of the kernel, whose upper then has its marks', async () => {
    await apply(await putLayer(), overlay());
    expect(readdirSync(join(folder, 'base')).sort()).toEqual(['d', 'one', 'two']);
    expect(readdirSync(join(folder, 'upper')).sort()).toEqual(['d', 'two']);
    const whiteout = lstatSync(join(folder, 'upper/two'));
    expect([whiteout.isCharacterDevice(), whiteout.rdev]).toEqual([true, 0]);
    expect(readFileSync(join(folder, 'upper/d/y'), 'utf8')).toBe('new');
  });

  test('writes what changed as a blob, the same again, held by the lease of the call', async () => {
    await apply(await putLayer(), overlay());
    const { diff, content, leases } = clients;
    await ask(leases, leases.create, { id: 'l', labels: {} }, headers('n'));
    const compare = (mediaType: string, ref: string) => {
      const request = { left: [bind('base')], right: [overlay()], mediaType, ref, labels: { a: '1' } };
      return ask(diff, diff.diff, { ...request, sourceDateEpoch: undefined }, headers('n', 'l'));
    };
    const { diff: zipped } = await compare('', '');
    expect(zipped?.mediaType).toBe(`${OCI_TAR}+gzip`);
    const blob = await served.store.inNamespace('n').content.read(zipped!.digest);
    const tar = gunzipSync(blob);
    expect(
      readTar(tar)
        .map(({ path }) => path)
        .sort(),
    ).toEqual(['.wh.two', 'd', 'd/.wh.x', 'd/y']);
    const { info } = await ask(content, content.info, { digest: zipped!.digest }, headers('n'));
    expect(info).toMatchObject({
      size: zipped!.size,
      labels: { a: '1', 'containerd.io/uncompressed': digestOf(tar) },
    });
    expect((await compare('', 'again')).diff).toEqual(zipped);
    const { diff: plain } = await compare(OCI_TAR, 'plain');
    expect(plain?.digest).toBe(digestOf(tar));
    const { resources } = await ask(leases, leases.listResources, { id: 'l' }, headers('n'));
    expect(resources.map(({ id }) => id).sort()).toEqual([zipped!.digest, plain!.digest].sort());
    expect(await served.store.inNamespace('n').content.statuses()).toEqual([]);
    expect(existsSync(join(folder, 'upper/d/y'))).toBe(true);
  });
});
