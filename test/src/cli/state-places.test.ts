// Where mounts are noted when nobody says so, for who is root, somebody, or root of a user namespace.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { statePlace, statePlaces } from '../../../src/cli/state-places.js';

describe('the state folder', () => {
  let run: string;
  beforeEach(() => {
    run = mkdtempSync(join(tmpdir(), 'mica-state-places-'));
  });
  afterEach(() => rmSync(run, { recursive: true, force: true }));

  const root = { uid: 0, outside: 0, isInside: false };
  const me = { uid: 1000, outside: 1000, isInside: false };
  const inside = { uid: 0, outside: 1000, isInside: true };
  const shared = join(tmpdir(), 'mica-1000');

  it('is that of the machine for root, that of the session for a user', () => {
    expect(statePlace('/run/user/0', root)).toBe('/run/mica');
    expect(statePlace('/run/user/1000', me)).toBe('/run/user/1000/mica');
    expect(statePlace('not/absolute', me)).toBe(shared);
    expect(statePlace(undefined, me)).toBe(shared);
  });

  it('is that of the session for root of a user namespace, as it is outside', () => {
    expect(statePlaces('/run/user/1000', inside)).toEqual(['/run/user/1000/mica', '/run/mica', shared]);
    expect(statePlace(run, inside)).toBe(statePlace(run, me));
  });

  it('is the next of its places in a user namespace that may not write to the first', () => {
    mkdirSync(join(run, 'none'));
    expect(statePlace(join(run, 'none/of/these'), inside)).not.toContain(run);
    expect(statePlace(join(run, 'none'), inside)).toBe(join(run, 'none/mica'));
  });
});
