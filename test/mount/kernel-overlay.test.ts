import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { LowerDescription, StackDescription } from '../../dist/fs/index.js';
import { featureSet, mountOverlay, probeOverlay, unmountKernel } from '../../dist/native-fallback/index.js';
import { describeWith } from '../requires.js';

describeWith(['overlay'], 'kernel overlay mounts', () => {
  let root: string;
  let merged: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'mica-kernel-'));
    merged = join(root, 'merged');
    mkdirSync(merged);
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  /** Layer `n` holds the file `n` and its own version of the file `all`; the folders' names are long on purpose. */
  function layers(count: number, name = (n: number) => `${n}`.padStart(30, '0')): LowerDescription[] {
    return Array.from({ length: count }, (_, at) => {
      const n = count - at;
      const path = join(root, name(n), 'fs');
      mkdirSync(path, { recursive: true });
      writeFileSync(join(path, `${n}`), `${n}`);
      writeFileSync(join(path, 'all'), `${n}`);
      return { path, id: `${n}`, dialect: 'overlay', marks: 'trusted' };
    });
  }

  function upper(): NonNullable<StackDescription['upper']> {
    for (const name of ['fs', 'work']) mkdirSync(join(root, 'upper', name), { recursive: true });
    const path = join(root, 'upper/fs');
    return { path, work: join(root, 'upper/work'), id: 'upper', dialect: 'overlay', marks: 'trusted' };
  }

  function expectWhole(count: number): void {
    expect(readFileSync(join(merged, 'all'), 'utf8')).toBe(`${count}`);
    for (let n = 1; n <= count; n++) expect(readFileSync(join(merged, `${n}`), 'utf8')).toBe(`${n}`);
    rmSync(join(merged, '1'));
    expect(lstatSync(join(root, 'upper/fs/1')).isCharacterDevice()).toBe(true);
  }

  it('mounts 128 layers, one option each', () => {
    const mounted = mountOverlay({ lowers: layers(128), upper: upper() }, merged, {}, featureSet(new Set()));
    try {
      expect(mounted.by).toBe('fsopen');
      expectWhole(128);
    } finally {
      unmountKernel(merged);
    }
  });

  it('mounts 128 layers in one page of options where the mount API of descriptors is missing', () => {
    const without = featureSet(new Set(['new-mount-api']));
    const mounted = mountOverlay({ lowers: layers(128, String), upper: upper() }, merged, {}, without);
    try {
      expect(['mount', 'mount-relative']).toContain(mounted.by);
      expectWhole(128);
    } finally {
      unmountKernel(merged);
    }
  });

  it('uses names relative to the common parent when absolute ones do not fit in a page', () => {
    const without = featureSet(new Set(['new-mount-api']));
    const name = (n: number) => `snapshot-${n}`;
    const mounted = mountOverlay({ lowers: layers(200, name), upper: upper() }, merged, {}, without);
    try {
      expect(mounted.by).toBe('mount-relative');
      expectWhole(200);
    } finally {
      unmountKernel(merged);
    }
  });

  it('says so when not even relative names fit', () => {
    const without = featureSet(new Set(['new-mount-api']));
    const stack = { lowers: layers(150), upper: upper() };
    expect(() => mountOverlay(stack, merged, {}, without)).toThrow('do not fit');
  });

  for (const by of ['fsopen', 'mount'] as const) {
    it(`takes paths with colons, commas and backslashes (${by})`, () => {
      const features = featureSet(new Set(by === 'mount' ? ['new-mount-api'] : []));
      const mounted = mountOverlay(
        { lowers: layers(3, (n) => `a:b,c\\d${n}`), upper: upper() },
        merged,
        {},
        features,
      );
      try {
        expect(mounted.by).toBe(by);
        expectWhole(3);
      } finally {
        unmountKernel(merged);
      }
    });
  }

  it('mounts layers whose paths are longer than the mount API of descriptors takes', () => {
    const stack = { lowers: layers(3, (n) => `${'d'.repeat(240)}/${n}`), upper: upper() };
    const mounted = mountOverlay(stack, merged, {}, featureSet(new Set()));
    try {
      expect(mounted.by).toBe('mount');
      expectWhole(3);
    } finally {
      unmountKernel(merged);
    }
  });

  it('mounts read only without touching the upper', () => {
    mountOverlay({ lowers: layers(2), upper: upper() }, merged, { readOnly: true });
    try {
      expect(() => writeFileSync(join(merged, 'new'), '')).toThrow('EROFS');
      expect(readFileSync(join(merged, 'all'), 'utf8')).toBe('2');
    } finally {
      unmountKernel(merged);
    }
    expect(() => lstatSync(join(root, 'upper/work/work'))).toThrow('ENOENT');
  });

  it('shows a stack of one folder by a bind, read only without an upper', () => {
    mountOverlay({ lowers: layers(1) }, merged);
    try {
      expect(readFileSync(join(merged, '1'), 'utf8')).toBe('1');
      expect(() => writeFileSync(join(merged, 'new'), '')).toThrow('EROFS');
    } finally {
      unmountKernel(merged);
    }
  });

  it('carries the kernel’s own words in a refusal', () => {
    const missing: LowerDescription = { path: join(root, 'gone'), id: 'gone', dialect: 'overlay' };
    expect(() => mountOverlay({ lowers: [missing, ...layers(1)] }, merged)).toThrow(/gone|no such file/);
  });

  it('is probed by a real mount that leaves nothing behind', () => {
    expect(probeOverlay(root)).toMatchObject({ ok: true, where: 'here', marks: 'trusted' });
    expect(probeOverlay(join(root, 'merged')).ok).toBe(true);
    expect(readdirSync(merged)).toEqual([]);
  });
});
