// `mica fsck` and `mica df` as scripts call them: words, exit codes and JSON.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Mica } from './mica.js';

describe.skipIf(process.platform !== 'linux')('mica fsck', () => {
  let mica: Mica;
  beforeEach(() => {
    mica = new Mica();
    mkdirSync(mica.path('tree'));
    writeFileSync(mica.path('tree/file'), 'text');
    expect(mica.run(['image', 'create', 'made', '--from', 'tree'])).toMatchObject({ code: 0 });
  });
  afterEach(() => mica.remove());

  it('ends with 0 for a sound store, and for one that is not there', () => {
    expect(mica.run(['fsck', '--verify-content'])).toEqual({ code: 0, out: 'the store is sound\n', err: '' });
    expect(mica.run(['fsck', '-q'])).toEqual({ code: 0, out: '', err: '' });
    expect(mica.run(['--root', mica.path('new'), 'fsck', '--json']).out).toBe('{"problems":[],"ok":true}\n');
  });

  it('ends with 1 for a damaged one, and with 0 where that was repaired', () => {
    const id = JSON.parse(mica.run(['snapshot', 'ls', '--json']).out)[0].id as string;
    writeFileSync(mica.path('root/snapshots', id, 'index'), 'x');
    const found = mica.run(['fsck']);
    expect(found).toMatchObject({ code: 1, err: '' });
    expect(found.out).toMatch(/^damaged: index sha256:\w+: its index is damaged\nthe store is damaged\n$/);
    expect(JSON.parse(mica.run(['fsck', '--repair', '--json']).out)).toMatchObject({
      ok: true,
      problems: [{ part: 'index', level: 'error', repaired: 'made it again from the folder' }],
    });
    expect(mica.run(['fsck'])).toMatchObject({ code: 0 });
  });

  it('makes lost metadata again, which no other command opens', () => {
    const dump = mica.run(['dump']).out;
    rmSync(mica.path('root/metadata'), { recursive: true });
    for (const words of [['images'], ['snapshot', 'cleanup'], ['image', 'create', 'x', '--from', 'tree']]) {
      expect(mica.run(words)).toMatchObject({ code: 1, err: expect.stringContaining('mica fsck --repair') });
    }
    expect(mica.run(['fsck', '-q'])).toMatchObject({ code: 1 });
    expect(mica.run(['fsck', '--repair'])).toMatchObject({ code: 0 });
    expect(mica.run(['images', '-q']).out).toMatch(/^recovered\/[0-9a-f]{12}\n$/);
    // What a dump knows is more.
    rmSync(mica.path('root/metadata'), { recursive: true });
    writeFileSync(mica.path('dump'), dump);
    expect(mica.run(['restore', mica.path('dump')])).toMatchObject({ code: 0 });
    expect(mica.run(['images', '-q']).out).toBe('made\n');
    expect(mica.run(['fsck'])).toMatchObject({ code: 0 });
  });
});

describe.skipIf(process.platform !== 'linux')('mica df', () => {
  it('tells images, snapshots, namespaces and the store', () => {
    const mica = new Mica();
    try {
      mkdirSync(mica.path('tree'));
      mica.run(['image', 'create', 'made', '--from', 'tree']);
      const usage = JSON.parse(mica.run(['df', '--json']).out);
      const keys = ['logical', 'name', 'namespace', 'reclaimable', 'shared', 'unique'];
      expect(Object.keys(usage.images[0]).sort()).toEqual(keys);
      expect(Object.keys(usage.snapshots[0]).sort()).toEqual(keys);
      expect(usage.namespaces[0]).toMatchObject({ name: 'default', reclaimable: 0 });
      const text = mica.run(['df']).out;
      for (const head of ['IMAGE', 'SNAPSHOT', 'NAMESPACE', 'STORE'])
        expect(text).toMatch(new RegExp(`^${head} `, 'm'));
    } finally {
      mica.remove();
    }
  });
});
