import { beforeEach, describe, expect, it } from 'vitest';
import { importImage } from '../../../src/images/import.js';
import { findImage, removeImage, requireImage, tagImage } from '../../../src/images/names.js';
import { imageInfo, listedInfo } from '../../../src/images/stored.js';
import { buildImage, file, layerTar, layoutFiles, tarOf } from '../../fixtures/oci.js';
import { type MemStore, memStore } from '../../fixtures/store.js';

const image = buildImage([layerTar([file('a', 'one')])]);

let store: MemStore;
beforeEach(async () => {
  store = memStore();
  async function* archive() {
    yield tarOf(layoutFiles([{ name: 'docker.io/library/foo:1', image }]));
  }
  await importImage(store, '-', { stdin: archive(), unpack: false });
});

describe('names of images', () => {
  it.each([['docker.io/library/foo:1'], ['foo:1'], [image.descriptor.digest]])('finds %s', (name) => {
    expect(findImage(store, name)?.name).toBe('docker.io/library/foo:1');
  });

  it.each([['foo'], ['foo:2'], ['1'], ['']])('does not find %j', (name) => {
    expect(findImage(store, name)).toBeUndefined();
  });

  it('an image may have several, and each is taken away alone', async () => {
    await tagImage(store, 'foo:1', 'bar');
    expect(findImage(store, 'bar')?.target).toEqual(findImage(store, 'foo:1')?.target);
    await removeImage(store, 'foo:1');
    expect(store.images.list().map((row) => row.name)).toEqual(['bar']);
    expect(await store.content.has(image.descriptor.digest)).toBe(true);
  });

  it('says what to look at when there is none', async () => {
    expect(() => requireImage(store, 'none', 'cannot x')).toThrowError(
      expect.objectContaining({ kind: 'not-found', hint: 'mica images lists what there is' }),
    );
    await expect(tagImage(store, 'none', 'x')).rejects.toMatchObject({ kind: 'not-found' });
    await expect(tagImage(store, 'foo:1', 'a b')).rejects.toMatchObject({ kind: 'invalid-argument' });
    await expect(removeImage(store, 'none')).rejects.toMatchObject({ kind: 'not-found' });
  });
});

describe('what is known of an image', () => {
  it('is its platform, its size and its layers', async () => {
    const [layer] = image.layers;
    expect(await imageInfo(store, requireImage(store, 'foo:1', 'x'))).toEqual({
      name: 'docker.io/library/foo:1',
      digest: image.descriptor.digest,
      mediaType: image.descriptor.mediaType,
      platform: 'linux/amd64',
      size: image.descriptor.size + image.config.size + layer!.size,
      created: '2020-01-01T00:00:00Z',
      layers: [
        { digest: layer!.digest, diffId: image.diffIds[0], chainId: image.chainIds[0], size: layer!.size },
      ],
    });
  });

  it('is its name and what is wrong, if it is damaged', async () => {
    await store.content.delete(image.config.digest);
    const info = await listedInfo(store, requireImage(store, 'foo:1', 'x'));
    expect(info).toMatchObject({ name: 'docker.io/library/foo:1', layers: [] });
    expect(info.damage).toContain(`config ${image.config.digest} is missing`);
  });
});
