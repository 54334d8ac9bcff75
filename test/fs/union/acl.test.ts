import { expect, test } from 'vitest';
import { EACCES, EINVAL, ENODATA } from '../../../fs/errno.js';
import { Attr } from '../../../fs/filesystem.js';
import { LayerEntry } from '../../../fs/layer/layer.js';
import { errnoOf } from '../../suites/paths.js';
import { rig } from './stacks.js';

const NONE = 0xffffffff;

/** The xattr's bytes of an ACL given as [tag, permission, id]. */
function acl(...entries: [tag: number, perm: number, id?: number][]): Uint8Array {
  const value = new Uint8Array(4 + entries.length * 8);
  const view = new DataView(value.buffer);
  view.setUint32(0, 2, true);
  entries.forEach(([tag, perm, id = NONE], i) => {
    view.setUint16(4 + i * 8, tag, true);
    view.setUint16(6 + i * 8, perm, true);
    view.setUint32(8 + i * 8, id, true);
  });
  return value;
}

const ACCESS = 'system.posix_acl_access';
const DEFAULT = 'system.posix_acl_default';
const NAMED = acl([1, 7], [2, 5, 1000], [4, 5], [0x10, 6], [0x20, 4]);

function bytesOf(r: ReturnType<typeof rig>, path: string, name: string): Uint8Array | undefined {
  return r.paths.with(path, (node) => r.union.getxattr(node, name));
}

test('setting an access ACL sets the mode, the mask standing for the group', () => {
  const r = rig([{ f: 'f' }]);
  r.paths.setxattr('f', ACCESS, NAMED);
  expect(r.paths.stat('f').mode & 0o777).toBe(0o764);
  expect(bytesOf(r, 'f', ACCESS)).toEqual(NAMED);
});

test('an ACL that says no more than the mode is not stored', () => {
  const r = rig([{ f: 'f' }]);
  r.paths.setxattr('f', ACCESS, acl([1, 6], [4, 4], [0x20, 0]));
  expect(r.paths.stat('f').mode & 0o777).toBe(0o640);
  expect(bytesOf(r, 'f', ACCESS)).toBeUndefined();
});

test('removing an ACL that is not there succeeds and copies nothing up', () => {
  const r = rig([{ f: 'f', d: {} }]);
  r.paths.with('f', (node) => r.union.removexattr(node, ACCESS));
  r.paths.with('d', (node) => r.union.removexattr(node, DEFAULT));
  expect(r.upper.lookup('', 'f', new LayerEntry(new Attr()))).toBe(false);
  expect(errnoOf(() => r.paths.with('f', (node) => r.union.removexattr(node, 'user.none')))).toBe(ENODATA);
});

test('chmod changes the mask of an ACL', () => {
  const r = rig([{ f: 'f' }]);
  r.paths.setxattr('f', ACCESS, NAMED);
  r.paths.chmod('f', 0o610);
  expect(bytesOf(r, 'f', ACCESS)).toEqual(acl([1, 6], [2, 5, 1000], [4, 5], [0x10, 1], [0x20, 0]));
});

test('a default ACL is inherited in place of the umask', () => {
  const r = rig([{ d: {} }]);
  r.paths.setxattr('d', DEFAULT, NAMED);
  r.paths.caller = { uid: 0, gid: 0, pid: 1, umask: 0o077 };
  r.paths.write('d/f', '', 0o666);
  expect(r.paths.stat('d/f').mode & 0o777).toBe(0o664);
  expect(bytesOf(r, 'd/f', ACCESS)).toEqual(acl([1, 6], [2, 5, 1000], [4, 5], [0x10, 6], [0x20, 4]));
  expect(bytesOf(r, 'd/f', DEFAULT)).toBeUndefined();
  expect(r.paths.mkdir('d/s', 0o700).mode & 0o777).toBe(0o700);
  expect(bytesOf(r, 'd/s', DEFAULT)).toEqual(NAMED);
  expect(r.paths.symlink('x', 'd/l').mode & 0o777).toBe(0o777);
});

test('a default ACL belongs to folders, and a bad one to nobody', () => {
  const r = rig([{ d: {}, f: 'f' }]);
  expect(errnoOf(() => r.paths.setxattr('f', DEFAULT, NAMED))).toBe(EACCES);
  expect(errnoOf(() => r.paths.setxattr('d', DEFAULT, new Uint8Array([1, 2, 3])))).toBe(EINVAL);
  expect(errnoOf(() => r.paths.setxattr('f', ACCESS, acl([1, 7], [2, 5, 1000], [4, 5], [0x20, 4])))).toBe(
    EINVAL,
  );
  expect(r.events).toEqual([]);
});

test('an empty ACL removes the one that is there', () => {
  const r = rig([{ d: {} }]);
  r.paths.setxattr('d', DEFAULT, NAMED);
  r.paths.setxattr('d', DEFAULT, acl());
  expect(bytesOf(r, 'd', DEFAULT)).toBeUndefined();
});

test('copy-up keeps an ACL', () => {
  const r = rig([{ f: 'f' }]);
  const node = r.lowers[0]!.hold('', 'f');
  node.setxattr(ACCESS, NAMED, 0);
  node.chmod(0o764);
  r.paths.writeAt('f', 0, 'x');
  expect(bytesOf(r, 'f', ACCESS)).toEqual(NAMED);
  expect(r.paths.stat('f').mode & 0o777).toBe(0o764);
});
