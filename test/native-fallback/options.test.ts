import { describe, expect, it } from 'vitest';
import type { LowerDescription, StackDescription } from '../../fs/index.js';
import {
  type FeatureSet,
  featureNames,
  overlayWords,
  planOverlay,
  probeFeatures,
  unknownFeatures,
} from '../../native-fallback/index.js';
import { commonParent } from '../../native-fallback/mount.js';

const ALL = new Set(['userxattr', 'volatile'] as const);

function lower(path: string, more: Partial<LowerDescription> = {}): LowerDescription {
  return { path, id: path, dialect: 'overlay', marks: 'trusted', ...more };
}

function stack(marks: 'trusted' | 'user', ...lowers: string[]): StackDescription {
  const upper = { path: '/s/9/fs', work: '/s/9/work', id: '9', dialect: 'overlay', marks } as const;
  return { lowers: lowers.map((path) => lower(path, { marks })), upper };
}

function words(of: StackDescription, features: FeatureSet = ALL, readOnly = false): readonly string[] {
  const plan = planOverlay(of, features, { readOnly });
  if (plan.kind !== 'overlay') throw new Error('expected an overlay');
  return overlayWords(plan);
}

describe('plan of an overlay mount', () => {
  it('names work, upper and lowers, topmost first', () => {
    expect(words(stack('trusted', '/s/2/fs', '/s/1/fs'))).toEqual([
      'redirect_dir=on',
      'index=off',
      'workdir=/s/9/work',
      'upperdir=/s/9/fs',
      'lowerdir=/s/2/fs:/s/1/fs',
    ]);
  });

  it('asks for user marks and no redirects where the marks are the user’s', () => {
    expect(words(stack('user', '/s/1/fs')).slice(0, 2)).toEqual(['userxattr', 'index=off']);
  });

  it('says nothing of redirects where the kernel follows them by itself', () => {
    const plan = planOverlay(stack('trusted', '/s/1/fs'), ALL, { redirects: 'unsaid' });
    expect(plan).toMatchObject({ settings: [{ key: 'index', value: 'off' }] });
  });

  it('leaves out what the kernel lacks, except user marks, without which it would read wrongly', () => {
    const plan = planOverlay(stack('trusted', '/s/1/fs'), new Set(), { volatile: true });
    expect(plan).toMatchObject({ settings: [{ key: 'redirect_dir' }, { key: 'index' }] });
    expect(() => words(stack('user', '/s/1/fs'), new Set())).toThrow('no userxattr');
  });

  it('shows the upper of a read-only mount as the topmost lower', () => {
    expect(words(stack('trusted', '/s/1/fs'), ALL, true)).toEqual([
      'redirect_dir=follow',
      'lowerdir=/s/9/fs:/s/1/fs',
    ]);
  });

  it('binds a stack of one folder, because overlayfs wants two', () => {
    expect(planOverlay(stack('trusted'), ALL)).toEqual({ kind: 'bind', source: '/s/9/fs', readOnly: false });
    expect(planOverlay({ lowers: [lower('/a')] }, ALL)).toEqual({
      kind: 'bind',
      source: '/a',
      readOnly: true,
    });
  });

  it('escapes what mount(2) reads as separators', () => {
    expect(words(stack('trusted', '/a:b', '/c,d', '/e\\f'))).toContain('lowerdir=/a\\:b:/c\\,d:/e\\\\f');
  });

  it('refuses layers whose marks the kernel would not see', () => {
    const wh: StackDescription = { lowers: [lower('/a', { dialect: 'wh' }), lower('/b')] };
    expect(() => planOverlay(wh, ALL)).toThrow('.wh. files');
    const mixed: StackDescription = { lowers: [lower('/a', { marks: 'user' }), lower('/b')] };
    expect(() => planOverlay(mixed, ALL)).toThrow('trusted and with user marks');
    expect(() => planOverlay({ lowers: [] }, ALL)).toThrow('without layers');
  });

  it('refuses more layers than overlayfs takes', () => {
    const many: StackDescription = { lowers: Array.from({ length: 501 }, (_, at) => lower(`/${at}`)) };
    expect(() => planOverlay(many, ALL)).toThrow('501 layers, at most 500');
  });
});

describe('names relative to a common parent', () => {
  it('is the deepest folder above all of them', () => {
    expect(commonParent(['/r/snapshots/1/fs', '/r/snapshots/2/fs', '/r/snapshots/2/work'])).toBe(
      '/r/snapshots',
    );
    expect(commonParent(['/ab/x', '/a/x'])).toBe('/');
  });
});

describe('the table of optional features', () => {
  it('says of each what it gives, since when, and what happens without', () => {
    const rows = probeFeatures(new Set());
    expect(rows.map((row) => row.name)).toEqual(featureNames());
    for (const { name, since, gives, without, probedBy, ok, why } of rows) {
      expect([name, since]).toEqual([name, expect.stringMatching(/^\d+\.\d+(\.\d+)?$/)]);
      for (const text of [gives, without, probedBy]) expect(text).not.toBe('');
      expect(why === '').toBe(ok);
    }
  });

  it('shows one as off that is switched off, and each by all', () => {
    const off = (without: string) =>
      probeFeatures(new Set([without])).filter(({ why }) => /MICA_WITHOUT/.test(why));
    expect(off('tmpfile').map(({ name }) => name)).toEqual(['tmpfile']);
    expect(off('all').map(({ name }) => name)).toEqual(featureNames());
  });

  it('knows which names it does not have', () => {
    expect(unknownFeatures(new Set(['tmpfile', 'userxattr', 'all', 'tmp-file']))).toEqual(['tmp-file']);
  });
});
