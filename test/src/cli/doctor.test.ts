import { existsSync, readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mica } from './mica.js';

interface Check {
  readonly check: string;
  readonly ok: boolean;
  readonly why: string;
  readonly fix: string;
}

describe('mica doctor', () => {
  let mica: Mica;
  beforeAll(() => {
    mica = new Mica();
  });
  afterAll(() => mica.remove());

  it('says of each check whether it holds, why, and what to do', () => {
    const ran = mica.run(['doctor', '--json']);
    const checks = JSON.parse(ran.out) as Check[];
    expect(Object.keys(checks[0] ?? {}).sort()).toEqual(['check', 'fix', 'ok', 'why']);
    expect(checks.map(({ check }) => check)).toEqual(
      expect.arrayContaining(['node', 'driver fuse', 'driver native']),
    );
    const works = checks.some(({ check, ok }) => ok && check.startsWith('driver '));
    expect(ran.code).toBe(works ? 0 : 6);
    expect(ran.err).toBe('');
  });

  it('leaves nothing in the store but its folder', () => {
    mica.run(['doctor']);
    expect(existsSync(mica.root) ? readdirSync(mica.root) : []).toEqual([]);
  });

  it('shows a feature that was switched off as off', () => {
    const ran = mica.run(['doctor', '--json'], { env: { MICA_WITHOUT: 'lowerdir-plus' } });
    const feature = (JSON.parse(ran.out) as Check[]).find(({ check }) => check === 'feature lowerdir-plus');
    expect(feature?.ok ?? false).toBe(false);
  });

  it('refuses to switch off what is no feature, and says what the features are', () => {
    const ran = mica.run(['doctor'], { env: { MICA_WITHOUT: 'tmpfile,lowerdirplus' } });
    expect(ran.code).toBe(2);
    expect(ran.err).toContain('there is no feature lowerdirplus');
    expect(ran.err).toMatch(/hint: .*\blowerdir-plus\b/);
  });

  it('switches everything off at once', () => {
    const ran = mica.run(['doctor', '--json'], { env: { MICA_WITHOUT: 'all' } });
    const features = (JSON.parse(ran.out) as Check[]).filter(({ check }) => check.startsWith('feature '));
    expect(features.filter(({ ok }) => ok)).toEqual([]);
  });

  it('a store that cannot be made leaves no driver', () => {
    const ran = mica.run(['doctor', '--json', '--root', '/proc/no/store']);
    const checks = JSON.parse(ran.out) as Check[];
    expect(checks.find(({ check }) => check === 'store')).toMatchObject({
      ok: false,
      fix: expect.stringContaining('--root'),
    });
  });
});
