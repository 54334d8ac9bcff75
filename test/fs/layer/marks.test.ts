import { describe, expect, it } from 'vitest';
import {
  escapeXattr,
  formatOverride,
  hexName,
  nlinkTotal,
  nlinkValue,
  originIno,
  originUuid,
  originValue,
  overriddenXattr,
  parseNlink,
  parseOverride,
  unescapeXattr,
} from '../../../fs/layer/marks.js';
import { makeDev, S_IFBLK, S_IFDIR, S_IFLNK, S_IFREG } from '../../../fs/mode.js';
import { toBytes } from '../../../fs/name.js';

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.replaceAll(' ', '').match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

// version 0, magic fb, 29 bytes, flags 0, type 1 (ino32, generation), UUID of zeros, ino 0x21290d.
const EXT4 = '00 fb 1d 00 01 00000000000000000000000000000000 0d292100 e01a5bc0';

describe('the origin mark', () => {
  it('is what kernel overlayfs writes for ext4', () => {
    expect(originValue(1, bytes('0d292100 e01a5bc0'), new Uint8Array(16))).toEqual(bytes(EXT4));
    expect(hexName(bytes(EXT4))).toBe(EXT4.replaceAll(' ', ''));
    expect(originIno(bytes(EXT4))).toBe(0x21290d);
  });

  it('tells the file number on XFS, btrfs and tmpfs', () => {
    const head = (type: string, length: string): string => `00fb${length}00${type}${'00'.repeat(16)}`;
    expect(originIno(bytes(`${head('81', '21')}0100000002000000 07000000`))).toBe(2 ** 33 + 1);
    expect(originIno(bytes(`${head('4d', '29')}0101000000000000 0500000000000000 01000000`))).toBe(257);
    expect(originIno(bytes(`${head('01', '21')}99999999 05000000 01000000`))).toBe(2 ** 32 + 5);
  });

  it('names the filesystem of the number by its UUID', () => {
    const uuid = '0102030405060708090a0b0c0d0e0f10';
    expect(hexName(toBytes(originUuid(bytes(`00fb1d0001${uuid}0d292100e01a5bc0`))))).toBe(uuid);
  });

  it('tells nothing where it is empty, cut off, foreign or of the other byte order', () => {
    expect(originIno(new Uint8Array(0))).toBe(0);
    expect(originIno(bytes(EXT4).subarray(0, 25))).toBe(0);
    expect(originIno(bytes(EXT4.replace('fb', 'fc')))).toBe(0);
    expect(originIno(bytes(EXT4.replace('1d 00', '1d 01')))).toBe(0);
    expect(originIno(bytes(EXT4.replace('00 01 00', '00 f1 00')))).toBe(0);
  });
});

describe('nlink of the index', () => {
  it('counts names against the links of the upper object', () => {
    for (const names of [0, 1, 2, 10]) expect(parseNlink(nlinkValue(names), 3)).toBe(names);
    expect([nlinkValue(1), nlinkValue(0), nlinkValue(3)]).toEqual(['U+0', 'U-1', 'U+2']);
    expect(parseNlink('L-1', 1)).toBeUndefined();
    expect(parseNlink('U', 1)).toBeUndefined();
  });

  it('counts all names while one of them is made', () => {
    expect(nlinkTotal(5)).toBe('=5');
    expect([1, 2, 3].map((links) => parseNlink('=5', links))).toEqual([5, 4, 3]);
    expect(parseNlink('=', 1)).toBeUndefined();
  });
});

describe('escapes of attributes', () => {
  it('go and come back, for the prefixes of the layer alone', () => {
    for (const name of [
      'trusted.overlay.opaque',
      'trusted.overlay.overlay.x',
      'user.overlay.opaque',
      'user.a',
    ]) {
      expect(unescapeXattr(['trusted'], escapeXattr(['trusted'], name))).toBe(name);
    }
    expect(escapeXattr(['trusted'], 'user.overlay.opaque')).toBe('user.overlay.opaque');
    expect(escapeXattr(['user'], 'user.overlay.opaque')).toBe('user.overlay.overlay.opaque');
    expect(unescapeXattr(['user'], 'user.overlay.opaque')).toBeUndefined();
    expect(unescapeXattr(['user'], 'user.fuseoverlayfs.origin')).toBeUndefined();
    expect(overriddenXattr('user.containers.override_security.capability')).toBe('security.capability');
    expect(overriddenXattr('user.containers.override_stat')).toBeUndefined();
  });
});

describe('override_stat', () => {
  it('reads the forms of containers/storage and fuse-overlayfs', () => {
    expect(parseOverride('10:20:4755:file')).toEqual({
      uid: 10,
      gid: 20,
      mode: 0o4755,
      type: S_IFREG,
      rdev: 0,
    });
    expect(parseOverride('12:34:40755')).toMatchObject({ mode: 0o755, type: S_IFDIR });
    expect(parseOverride('0:0:755')).toMatchObject({ mode: 0o755, type: 0 });
    expect(parseOverride('0:6:0660:block-8-300')).toMatchObject({ type: S_IFBLK, rdev: makeDev(8, 300) });
    expect(parseOverride('0:0:0777:symlink-extra')).toMatchObject({ type: S_IFLNK });
  });

  it('takes nothing damaged', () => {
    for (const text of ['', '1:2', '1:2:', 'a:b:644', '1:2:999', '-1:2:644']) {
      expect(parseOverride(text)).toBeUndefined();
    }
  });

  it('reads back what it writes', () => {
    const block = { uid: 1, gid: 2, mode: 0o60, type: S_IFBLK, rdev: makeDev(259, 70000) };
    expect(formatOverride(block, 259, 70000)).toBe('1:2:0060:block-259-70000');
    expect(parseOverride(formatOverride(block, 259, 70000))).toEqual(block);
  });
});
