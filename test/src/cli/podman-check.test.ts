// Whether podman and buildah are set up to mount by this program, as their files say it.

import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { podmanCheck } from '../../../src/cli/podman-check.js';
import { podmanConfig, podmanStorage } from '../../../src/cli/print-config.js';

describe('doctor on podman', () => {
  let base: string;

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'mica-podman-check-'));
  });
  afterEach(() => rmSync(base, { recursive: true, force: true }));

  const write = (name: string, text: string) => {
    writeFileSync(join(base, name), text);
    return join(base, name);
  };
  const asRoot = (...configs: string[]) => podmanCheck({ configs }, () => true);

  const of = (uid: number) => podmanStorage(uid, { HOME: '/home/me', XDG_RUNTIME_DIR: '/run/me' });

  it.each([0, 1000])('finds all well with what --print-config prints, of user %d', (uid) => {
    const config = write('storage.conf', podmanConfig('/opt/a b/mica-overlayfs', of(uid)));
    expect(asRoot(join(base, 'none'), config)).toEqual({
      check: 'engine podman',
      ok: true,
      why: 'it mounts by /opt/a b/mica-overlayfs',
      fix: '',
    });
  });

  it.each([
    [
      'another program',
      'mount_program = "/usr/bin/fuse-overlayfs"',
      /^it mounts by \/usr\/bin\/fuse-overlayfs/,
    ],
    ['none', '[storage]\n# mount_program = "/x/mica-overlayfs"', /^no mount_program in /],
  ])('says what to paste where there is %s', (_, text, why) => {
    const check = asRoot(write('storage.conf', text));
    expect(check).toMatchObject({ ok: false, why: expect.stringMatching(why) });
    expect(check.fix).toBe(`mica serve --print-config podman, into ${base}/storage.conf`);
  });

  it('says what to paste where there is no configuration', () => {
    expect(asRoot(join(base, 'none'))).toMatchObject({ ok: false, why: 'there is no storage.conf' });
  });

  it('says why where a configuration cannot be looked for', () => {
    const config = join(base, 'storage.conf');
    symlinkSync('storage.conf', config);
    expect(asRoot(config)).toMatchObject({ ok: false, why: expect.stringContaining('ELOOP') });
  });

  it('names a program that is not there', () => {
    const config = write('storage.conf', podmanConfig('/none/mica-overlayfs', of(0)));
    const check = podmanCheck({ configs: [config] }, () => false);
    expect(check).toMatchObject({ ok: false, why: `there is no program /none/mica-overlayfs (${config})` });
  });

  it('asks for ids and newuidmap of who is not root', () => {
    const config = write('storage.conf', podmanConfig('/opt/mica-overlayfs', of(1000)));
    const [uids, gids] = [write('subuid', 'me:1:2\n'), write('subgid', 'other:1:2\n')];
    const ask = (files: string[], has = true) =>
      podmanCheck(
        { configs: [config], ranges: { files, names: ['me', '1000'] } },
        (name) => has || name !== 'newuidmap',
      );
    expect(ask([uids, gids])).toMatchObject({ ok: false, why: `me has no ids in ${gids}` });
    expect(ask([uids, uids])).toMatchObject({ ok: true });
    expect(ask([uids, write('numbers', '1000:1:2\n')])).toMatchObject({ ok: true });
    expect(ask([uids, uids], false)).toMatchObject({ ok: false, why: 'there is no newuidmap' });
  });
});

describe('the storage that --print-config podman names', () => {
  it('is where podman has it without a configuration', () => {
    const homes = { HOME: '/home/me', XDG_RUNTIME_DIR: '/run/user/1000' };
    expect(podmanStorage(1000, homes)).toEqual({
      file: '/home/me/.config/containers/storage.conf',
      graphRoot: '/home/me/.local/share/containers/storage',
      runRoot: '/run/user/1000/containers',
    });
    const moved = { ...homes, XDG_CONFIG_HOME: '/c', XDG_DATA_HOME: '/d', XDG_RUNTIME_DIR: '' };
    expect(podmanStorage(987654, moved)).toEqual({
      file: '/c/containers/storage.conf',
      graphRoot: '/d/containers/storage',
      runRoot: join(tmpdir(), 'podman-run-987654/containers'),
    });
  });
});
