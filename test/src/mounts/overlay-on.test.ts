import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { MountPoint } from '../../../src/mounts/mountinfo.js';
import { overlayOn } from '../../../src/mounts/overlay-on.js';

let top: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'mica-overlay-on-'));
});
afterEach(() => rmSync(top, { recursive: true }));

/** An overlay as it stands in mountinfo. What it shows as its root has the times of its upper, as a folder of that tick has. */
function overlay(target: string, upper: string): MountPoint {
  const superOptions = ['rw', `upperdir=${upper}`];
  return {
    id: '1',
    target,
    type: 'overlay',
    source: 'overlay',
    device: '0:1',
    root: '/',
    options: [],
    superOptions,
  };
}

it('tells folders of one name and one moment apart by changing one of them', () => {
  const [own, others] = [join(top, 'own'), join(top, 'others')];
  for (const folder of [own, others]) mkdirSync(folder);
  for (const folder of [own, others]) mkdirSync(join(folder, 'up'));
  const { mtimeMs, mode } = statSync(join(own, 'up'));
  expect(overlayOn(join(own, 'up'), [overlay(join(others, 'up'), 'up')])).toBeUndefined();
  expect(statSync(join(own, 'up'))).toMatchObject({ mtimeMs, mode });
});

it('knows an upper under a relative name', () => {
  mkdirSync(join(top, 'up'));
  symlinkSync('up', join(top, 'shown'));
  const mounts = [overlay(join(top, 'shown'), 'up'), overlay(join(top, 'elsewhere'), 'other')];
  expect(overlayOn(join(top, 'up'), mounts)).toBe(join(top, 'shown'));
});
