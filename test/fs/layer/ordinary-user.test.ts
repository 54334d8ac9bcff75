// An upper that an ordinary user writes: what such a user cannot store on an object stands in override_stat, and
// the layer shows it as if it had been stored. Started as root, this file gives root up while it runs.

import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Attr } from '../../../fs/filesystem.js';
import { LayerEntry, type NewNode, type WriteLayer } from '../../../fs/layer/layer.js';
import { makeDev, S_IFCHR, S_IFDIR, S_IFLNK, S_IFREG } from '../../../fs/mode.js';
import { fromBytes, toBytes } from '../../../fs/name.js';
import * as sys from '../../../fs/sys/index.js';
import { describeLayer } from '../../suites/layer.js';
import { makeRealLayer, type RealLayer } from './real-folder.js';

const NOBODY = 65534;
const startedAsRoot = process.getuid?.() === 0;
const own = startedAsRoot
  ? { uid: NOBODY, gid: NOBODY }
  : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const other = { uid: 1234, gid: 5678 };

beforeAll(() => {
  if (!startedAsRoot) return;
  process.setegid?.(NOBODY);
  process.seteuid?.(NOBODY);
});

afterAll(() => {
  if (!startedAsRoot) return;
  process.seteuid?.(0);
  process.setegid?.(0);
});

const make = (): RealLayer => makeRealLayer('user');

describeLayer("an ordinary user's folder, objects of his own", make, {
  ...own,
  trusted: false,
  persistent: true,
});
describeLayer("an ordinary user's folder, objects of others", make, {
  ...other,
  trusted: false,
  persistent: true,
});

describe('stand-ins', () => {
  let test: RealLayer;
  let layer: WriteLayer;

  beforeEach(() => {
    test = make();
    layer = test.layer;
  });

  afterEach(() => {
    test.dispose();
  });

  const real = (name: string): string => join(test.base, 'upper', name);

  function look(name: string): LayerEntry {
    const entry = new LayerEntry(new Attr());
    expect(layer.lookup('', name, entry)).toBe(true);
    return entry;
  }

  function stored(name: string, xattr: string): string | undefined {
    const fd = sys.openAt(sys.AT_FDCWD, real(name), sys.O_PATH | sys.O_NOFOLLOW);
    const value = sys.getXattr(fd, xattr);
    sys.closeFd(fd);
    return value && fromBytes(value);
  }

  const at = (mode: number, owner: { uid: number; gid: number }, more: object = {}): NewNode => ({
    mode,
    ...owner,
    ...more,
  });

  it('are not made while everything can be stored as it is', () => {
    layer.make('', 'f', at(S_IFREG | 0o644, own));
    layer.make('', 'd', at(S_IFDIR | 0o755, own));
    layer.make('', 'l', at(S_IFLNK | 0o777, own, { target: 'x' }));
    expect(test.layer.standIns).toBe(false);
    expect(stored('f', 'user.containers.override_stat')).toBeUndefined();
    expect(stored('.', 'user.containers.override_stat')).toBeUndefined();
  });

  it('are written as containers/storage writes them', () => {
    layer.make('', 'f', at(S_IFREG | 0o4755, other));
    layer.make('', 'd', at(S_IFDIR | 0o1777, other));
    layer.make('', 'l', at(S_IFLNK | 0o777, other, { target: 'to/\xff' }));
    layer.make('', 'c', at(S_IFCHR | 0o620, { uid: 0, gid: 5 }, { rdev: makeDev(4, 300) }));
    const values = ['f', 'd', 'l', 'c'].map((name) => stored(name, 'user.containers.override_stat'));
    expect(values).toEqual([
      '1234:5678:4755:file',
      '1234:5678:1777:dir',
      '1234:5678:0777:symlink',
      '0:5:0620:char-4-300',
    ]);
    expect(lstatSync(real('l')).isFile()).toBe(true);
    expect(readFileSync(real('l'), 'latin1')).toBe('to/\xff');
    expect(test.layer.standIns).toBe(true);
    expect(stored('.', 'user.containers.override_stat')).toMatch(/^\d+:\d+:0755:dir$/);
  });

  it('keep other programs out, whether the upper is settled or not', () => {
    const entries = (): string[] => readdirSync(join(test.base, 'work/work/incompat')).sort();
    layer.make('', 'f', at(S_IFREG | 0o644, other));
    expect([layer.guarded, entries()]).toEqual([false, ['mica-stand-ins']]);
    layer.setGuard(true);
    expect(entries()).toEqual(['mica', 'mica-stand-ins']);
    layer.setGuard(false);
    layer = test.reopen?.() ?? layer;
    expect([layer.guarded, entries()]).toEqual([false, ['mica-stand-ins']]);
    expect(look('f').attr).toMatchObject(other);
  });

  it('keep owner and mode through changes of one of them', () => {
    layer.make('', 'f', at(S_IFREG | 0o644, own));
    const node = layer.hold('', 'f');
    node.chown(12, 34);
    node.chmod(S_IFREG | 0o4711);
    expect(look('f').attr).toMatchObject({ uid: 12, gid: 34, mode: S_IFREG | 0o4711 });
    node.chown(own.uid, 34);
    expect(look('f').attr).toMatchObject({ uid: own.uid, gid: 34, mode: S_IFREG | 0o4711 });
    node.release();
  });

  it('show a mode that its owner could not open, and keep the file open to us', () => {
    layer.make('', 'secret', at(S_IFREG | 0o000, own));
    layer.make('', 'closed', at(S_IFDIR | 0o000, own));
    expect(look('secret').attr.mode).toBe(S_IFREG);
    expect(look('closed').attr.mode).toBe(S_IFDIR);
    layer.make('closed', 'f', at(S_IFREG | 0o400, own));
    const node = layer.hold('', 'secret');
    const file = node.openWrite();
    file.write(0, toBytes('x'));
    file.close();
    node.release();
    expect(look('secret').attr.size).toBe(1);
  });

  it('keep attributes that only root may set', () => {
    layer.make('', 'f', at(S_IFREG | 0o755, own));
    const node = layer.hold('', 'f');
    const capability = Uint8Array.of(1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    node.setxattr('security.capability', capability, 0);
    node.setxattr('trusted.mine', toBytes('1'), 0);
    node.setxattr('user.plain', toBytes('2'), 0);
    expect(node.getxattr('security.capability')).toEqual(capability);
    expect([...node.listxattr()].sort()).toEqual(['security.capability', 'trusted.mine', 'user.plain']);
    node.removexattr('security.capability');
    expect(node.getxattr('security.capability')).toBeUndefined();
    node.release();
  });

  it('cannot be forged through the layer', () => {
    layer.make('', 'f', at(S_IFREG | 0o644, own));
    const node = layer.hold('', 'f');
    const forged = toBytes('0:0:4755:file');
    expect(() => node.setxattr('user.containers.override_stat', forged, 0)).toThrow(
      expect.objectContaining({ errno: 1 }),
    );
    expect(node.getxattr('user.containers.override_stat')).toBeUndefined();
    node.release();
  });
});
