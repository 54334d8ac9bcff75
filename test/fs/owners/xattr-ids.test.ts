import { describe, expect, it } from 'vitest';
import { EINVAL } from '../../../fs/errno.js';
import { ID_COUNT, IdMap } from '../../../fs/owners/id-map.js';
import { shownAcl, shownCapability, storedAcl, storedCapability } from '../../../fs/owners/xattr-ids.js';
import { errnoOf } from '../../suites/paths.js';

const ALL = [{ first: 0, count: ID_COUNT }];
const UIDS = new IdMap({ ranges: [{ stored: 0, shown: 1000, count: 100 }] }, 0, ALL);
const GIDS = new IdMap({ ranges: [{ stored: 0, shown: 2000, count: 100 }] }, 0, ALL);
const NONE = 0xffffffff;

/** user::rwx, user:a:r, user:b:rx, group::r, group:c:w, mask::rwx, other::- */
function acl(...[a, b, c]: number[]): Uint8Array {
  return Uint8Array.from(
    Buffer.concat([
      Buffer.from('02000000', 'hex'),
      ...[
        [1, 7, NONE],
        [2, 4, a],
        [2, 5, b],
        [4, 4, NONE],
        [8, 2, c],
        [16, 7, NONE],
        [32, 0, NONE],
      ].map(([tag = 0, perm = 0, id = 0]) => {
        const entry = Buffer.alloc(8);
        entry.writeUInt16LE(tag, 0);
        entry.writeUInt16LE(perm, 2);
        entry.writeUInt32LE(id, 4);
        return entry;
      }),
    ]),
  );
}

describe('the owners of an ACL', () => {
  it('are translated, users and groups apart, and nothing else is', () => {
    expect(shownAcl(acl(1, 2, 3), UIDS, GIDS)).toEqual(acl(1001, 1002, 2003));
    expect(storedAcl(acl(1001, 1002, 2003), UIDS, GIDS)).toEqual(acl(1, 2, 3));
  });

  it('outside of the map are not stored', () => {
    expect(errnoOf(() => storedAcl(acl(1001, 5, 2003), UIDS, GIDS))).toBe(EINVAL);
  });

  it('that come to be one are shown once, with the first permissions', () => {
    const squashed = new IdMap({ squash: 'all', squashTo: 9 }, 0, ALL);
    const shown = shownAcl(acl(1, 2, 3), squashed, squashed);
    expect(shown).toEqual(Uint8Array.from([...acl(9, 0, 9).slice(0, 20), ...acl(9, 0, 9).slice(28)]));
  });

  it('stay in a value that is no ACL', () => {
    for (const bytes of ['', '01', '0300000001000700ffffffff', '02000000010007']) {
      const value = Uint8Array.from(Buffer.from(bytes, 'hex'));
      expect(shownAcl(value, UIDS, GIDS)).toEqual(value);
    }
  });
});

/** cap_net_raw=ep */
const V2 = Uint8Array.from(Buffer.from('0100000200200000000000000000000000000000', 'hex'));
function v3(root: number): Uint8Array {
  const value = Buffer.concat([Buffer.from(V2), Buffer.alloc(4)]);
  value[3] = 3;
  value.writeUInt32LE(root, 20);
  return Uint8Array.from(value);
}

describe('the root user of a file capability', () => {
  it('is shown as the map has it, with the revision that can say it', () => {
    expect(shownCapability(V2, UIDS)).toEqual(v3(1000));
    expect(shownCapability(v3(5), UIDS)).toEqual(v3(1005));
    expect(shownCapability(v3(500), UIDS)).toEqual(v3(65_534));
    expect(storedCapability(v3(1000), UIDS)).toEqual(V2);
    expect(storedCapability(v3(1005), UIDS)).toEqual(v3(5));
  });

  it('outside of the map is not stored, but for the root of the machine', () => {
    expect(errnoOf(() => storedCapability(v3(5), UIDS))).toBe(EINVAL);
    expect(storedCapability(V2, UIDS)).toEqual(V2);
  });

  it('is in no value of another length or revision', () => {
    for (const value of [V2.slice(0, 12), v3(5).slice(0, 22), Uint8Array.from([...V2.slice(0, 3), 9])]) {
      expect(shownCapability(value, UIDS)).toEqual(value);
    }
  });
});
