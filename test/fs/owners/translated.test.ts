// A union in memory behind maps: what goes out is as shown, what comes in is as stored. The contract of a
// filesystem is run on two maps that undo each other.

import { beforeEach, describe, expect, it } from 'vitest';
import { EINVAL } from '../../../fs/errno.js';
import { Attr, Entry, type Filesystem, O_RDWR, ROOT_NODE } from '../../../fs/filesystem.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { S_IFDIR, S_IFREG } from '../../../fs/mode.js';
import { ID_COUNT, IdMap } from '../../../fs/owners/id-map.js';
import { withOwners } from '../../../fs/owners/translated.js';
import { Union } from '../../../fs/union/union.js';
import { describeFilesystem, fillWithStartingTree } from '../../suites/filesystem.js';
import { errnoOf } from '../../suites/paths.js';

const ALL = [{ first: 0, count: ID_COUNT }];
const moved = (stored: number, shown: number) =>
  new IdMap({ ranges: [{ stored, shown, count: 1000 }] }, 0, ALL);

describeFilesystem('a union behind two maps that undo each other', () => {
  const lower = new MemLayer({ id: 'lower' });
  fillWithStartingTree(lower);
  const upper = new MemLayer({ id: 'upper' });
  const open = () => {
    const there = withOwners(new Union({ lowers: [lower], upper }), moved(0, 5000), moved(0, 6000));
    return withOwners(there, moved(5000, 0), moved(6000, 0));
  };
  return { fs: open(), remount: open, dispose: () => upper.close() };
});

describe('a filesystem with a map of owners', () => {
  const UID = 5000;
  const GID = 6000;
  let union: Union;
  let fs: Filesystem;
  const entry = new Entry();
  const attr = new Attr();

  beforeEach(() => {
    const lower = new MemLayer({ id: 'lower' });
    lower.make('', 'folder', { mode: S_IFDIR | 0o755, uid: 3, gid: 4 });
    lower.makeFile('', 'file', { mode: S_IFREG | 0o644, uid: 1, gid: 2 }).close();
    lower.makeFile('', 'stranger', { mode: S_IFREG | 0o644, uid: 2000, gid: 2000 }).close();
    union = new Union({ lowers: [lower], upper: new MemLayer({ id: 'upper' }) });
    fs = withOwners(union, moved(0, UID), moved(0, GID));
  });

  /** Owner and group of a node without the map. */
  function stored(node: number): readonly [number, number] {
    union.getattr(node, attr);
    return [attr.uid, attr.gid];
  }

  function node(name: string): number {
    expect(fs.lookup(ROOT_NODE, name, entry)).toBe(true);
    return entry.node;
  }

  const caller = (uid: number, gid: number) => ({ uid, gid, pid: 1, umask: 0 });

  it('is the filesystem itself where the maps change nothing', () => {
    const nothing = new IdMap({}, 0, ALL);
    expect(withOwners(union, nothing, nothing)).toBe(union);
    expect(withOwners(union, nothing, moved(0, 1))).not.toBe(union);
  });

  it('shows mapped owners wherever attributes go out', () => {
    const file = node('file');
    expect([entry.attr.uid, entry.attr.gid]).toEqual([UID + 1, GID + 2]);
    fs.getattr(file, attr);
    expect([attr.uid, attr.gid]).toEqual([UID + 1, GID + 2]);
    fs.setattr(file, { mode: 0o600 }, caller(UID, GID), attr);
    expect([attr.uid, attr.gid]).toEqual([UID + 1, GID + 2]);
    fs.link(file, ROOT_NODE, 'linked', entry);
    expect([entry.attr.uid, entry.attr.gid]).toEqual([UID + 1, GID + 2]);
    const listed: Record<string, number[]> = {};
    const handle = fs.opendir(ROOT_NODE);
    const out = new Entry();
    fs.readdirPlus(handle, 0, out, (name) => {
      if (!name.startsWith('.')) listed[name] = [out.attr.uid, out.attr.gid];
      return true;
    });
    fs.releasedir(handle);
    expect(listed).toEqual({
      file: [UID + 1, GID + 2],
      folder: [UID + 3, GID + 4],
      linked: [UID + 1, GID + 2],
      stranger: [65_534, 65_534],
    });
  });

  it('keeps the stored owner of what is only changed', () => {
    const stranger = node('stranger');
    fs.setattr(stranger, { mode: 0o600 }, caller(UID, GID), attr);
    expect([attr.uid, attr.gid]).toEqual([65_534, 65_534]);
    expect(stored(stranger)).toEqual([2000, 2000]);
  });

  it('stores new owners by the map, and refuses one outside of it', () => {
    const file = node('file');
    fs.setattr(file, { uid: UID + 7 }, caller(0, 0), attr);
    expect(stored(file)).toEqual([7, 2]);
    fs.setattr(file, { gid: GID + 8 }, caller(0, 0), attr);
    expect(stored(file)).toEqual([7, 8]);
    for (const change of [{ uid: 7 }, { gid: 7 }, { uid: UID, gid: UID }]) {
      expect(errnoOf(() => fs.setattr(file, change, caller(0, 0), attr))).toBe(EINVAL);
    }
    expect(stored(file)).toEqual([7, 8]);
  });

  it('gives what callers make to them, and what a stranger makes to nobody', () => {
    const makers: readonly (readonly [string, (uid: number, gid: number, name: string) => void])[] = [
      ['mkdir', (uid, gid, name) => fs.mkdir(ROOT_NODE, name, 0o755, caller(uid, gid), entry)],
      ['mknod', (uid, gid, name) => fs.mknod(ROOT_NODE, name, S_IFREG | 0o644, 0, caller(uid, gid), entry)],
      ['symlink', (uid, gid, name) => fs.symlink(ROOT_NODE, name, 'x', caller(uid, gid), entry)],
      ['create', (uid, gid, name) => void fs.create(ROOT_NODE, name, 0o644, O_RDWR, caller(uid, gid), entry)],
      ['tmpfile', (uid, gid) => void fs.tmpfile(ROOT_NODE, 0o644, O_RDWR, caller(uid, gid), entry)],
    ];
    for (const [name, make] of makers) {
      make(UID + 9, GID + 9, `${name}-own`);
      expect([name, entry.attr.uid, entry.attr.gid, ...stored(entry.node)]).toEqual([
        name,
        UID + 9,
        GID + 9,
        9,
        9,
      ]);
      make(9, 9, `${name}-strange`);
      expect([name, entry.attr.uid, entry.attr.gid, ...stored(entry.node)]).toEqual([
        name,
        65_534,
        65_534,
        65_534,
        65_534,
      ]);
    }
  });

  it('translates the named users and groups of ACLs', () => {
    const folder = node('folder');
    const value = (uid: number) =>
      Uint8Array.from(
        Buffer.from(
          `0200000001000700ffffffff02000500${hex(uid)}04000500ffffffff10000500ffffffff20000500ffffffff`,
          'hex',
        ),
      );
    for (const name of ['system.posix_acl_access', 'system.posix_acl_default']) {
      fs.setxattr(folder, name, value(UID + 5), 0, false);
      expect(union.getxattr(folder, name)).toEqual(value(5));
      expect(fs.getxattr(folder, name)).toEqual(value(UID + 5));
      expect(errnoOf(() => fs.setxattr(folder, name, value(5), 0, false))).toBe(EINVAL);
    }
  });
});

function hex(id: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(id);
  return bytes.toString('hex');
}
