import { describe, expect, it } from 'vitest';
import { JSON_LIMIT, parseConfig, parseIndex, parseManifest } from '../../../src/images/oci.js';
import { json } from '../../fixtures/oci.js';

const digest = `sha256:${'a'.repeat(64)}`;
const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: 2 };

describe('JSON of images', () => {
  it('accepts a manifest without mediaType, as umoci writes it', async () => {
    const manifest = await parseManifest(json({ schemaVersion: 2, config, layers: [] }), 'manifest');
    expect(manifest.config.digest).toBe(digest);
  });

  it('takes null for a list or map that is absent', async () => {
    const parsed = await parseConfig(
      json({
        architecture: 'amd64',
        os: 'linux',
        config: { Labels: null, Env: null },
        rootfs: { type: 'layers', diff_ids: null },
        history: null,
      }),
      'config',
    );
    expect(parsed.rootfs.diff_ids).toEqual([]);
    expect(parsed.history).toBeUndefined();
  });

  it('keeps fields of a config that it does not know', async () => {
    const parsed = await parseConfig(
      json({
        architecture: 'amd64',
        os: 'linux',
        config: { Healthcheck: { Test: ['x'] } },
        rootfs: { type: 'layers', diff_ids: [] },
      }),
      'config',
    );
    expect(parsed.config?.['Healthcheck']).toEqual({ Test: ['x'] });
  });

  it.each([
    [
      'a layer digest of the wrong form',
      { schemaVersion: 2, config, layers: [{ ...config, digest: 'sha256:zz' }] },
      'layers.0.digest: not a digest',
    ],
    ['a size below zero', { schemaVersion: 2, config: { ...config, size: -1 } }, 'config.size'],
    ['a missing config', { schemaVersion: 2, layers: [] }, 'config'],
    ['schema version 1', { schemaVersion: 1, config, layers: [] }, 'schemaVersion: only schema version 2'],
  ])('names blob and field for %s', async (_name, value, why) => {
    const error = await parseManifest(json(value), `manifest ${digest}`).catch((e: unknown) => e);
    expect(error).toMatchObject({ kind: 'corrupt', what: `cannot read manifest ${digest}` });
    expect((error as Error).message).toContain(why);
    expect((error as Error).message).not.toContain('\n');
  });

  it('refuses what is no JSON, no UTF-8, or too long', async () => {
    for (const bytes of [
      Buffer.from('{"a":'),
      Buffer.from([0x22, 0xff, 0x22]),
      Buffer.alloc(JSON_LIMIT + 1, ' '),
    ]) {
      await expect(parseIndex(bytes, 'index.json')).rejects.toMatchObject({ kind: 'corrupt' });
    }
  });
});
