// What a mount does without, to the byte: syncing, ACLs, extended attributes, counts of subfolders.

import { describe, expect, it } from 'vitest';
import { Attr } from '../../fs/filesystem.js';
import { FOR_EVER, Reply } from '../../fs/fuse/reply.js';
import { S_IFDIR, S_IFREG } from '../../fs/mode.js';
import { failure, INIT, le32, reply, request, text, Wire } from './wire.js';

const ENOSYS = 38;
const EOPNOTSUPP = 95;
/** POSIX_ACL, in the flags of fuse_init_out. */
const POSIX_ACL = 1 << 20;

const FSYNC = request(20, 7, '00'.repeat(16));
const FSYNCDIR = request(30, 1, '00'.repeat(16));

/** A GETXATTR, SETXATTR, LISTXATTR and REMOVEXATTR, of a name. */
const requestsOn = (name: string) => [
  request(22, 7, `${le32(64)} 00000000 ${text(name)}`),
  request(21, 7, `01000000 00000000 00000000 00000000 ${text(name)} 61`),
  request(24, 7, text(name)),
];

function agreed(wire: Wire): number {
  const body = Buffer.from(INIT.subarray(40)).toString('hex');
  return Buffer.from(wire.send(request(26, 0, body)), 'hex').readUInt32LE(16 + 12);
}

describe('a mount', () => {
  it('that is never synced has the kernel answer fsync by itself', () => {
    const wire = new Wire({ caching: { neverSynced: true } });
    expect([FSYNC, FSYNCDIR].map((bytes) => wire.send(bytes))).toEqual([failure(ENOSYS), failure(ENOSYS)]);
    expect(wire.asked()).toEqual([]);
  });

  it('of any other kind is asked to sync', () => {
    const wire = new Wire();
    expect([FSYNC, FSYNCDIR].map((bytes) => wire.send(bytes))).toEqual([reply(''), reply('')]);
    expect(wire.asked()).toHaveLength(2);
  });

  it('without ACLs does not agree on them, and has no attribute of their names', () => {
    const wire = new Wire({ init: INIT, caching: { acls: false } });
    expect(agreed(wire) & POSIX_ACL).toBe(0);
    for (const bytes of requestsOn('system.posix_acl_access'))
      expect(wire.send(bytes)).toBe(failure(EOPNOTSUPP));
    expect(wire.asked()).toEqual([]);
    for (const bytes of requestsOn('user.x')) expect(wire.send(bytes)).not.toBe(failure(EOPNOTSUPP));
    expect(wire.asked()).toHaveLength(3);
  });

  it('without extended attributes says so once for each request', () => {
    const wire = new Wire({ init: INIT, caching: { xattrs: false } });
    expect(agreed(wire) & POSIX_ACL).toBe(0);
    const list = request(23, 7, `${le32(64)} 00000000`);
    for (const bytes of [...requestsOn('user.x'), list]) expect(wire.send(bytes)).toBe(failure(ENOSYS));
    expect(wire.asked()).toEqual([]);
  });

  it('with both agrees on ACLs', () => {
    expect(agreed(new Wire({ init: INIT })) & POSIX_ACL).toBe(POSIX_ACL);
  });

  it('that counts no subfolders says 1 of a folder, and what it is of a file', () => {
    const links = (mode: number, folderLinks: boolean) => {
      const made = new Reply(4096, FOR_EVER, folderLinks);
      made.attr(0, Object.assign(new Attr(), { mode, nlink: 5 }));
      return new DataView(made.bytes.buffer).getUint32(16 + 64, true);
    };
    expect([links(S_IFDIR, false), links(S_IFREG, false), links(S_IFDIR, true)]).toEqual([1, 5, 5]);
  });
});
