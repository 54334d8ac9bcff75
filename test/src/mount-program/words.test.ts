import { describe, expect, it } from 'vitest';
import { parseWords } from '../../../src/mount-program/words.js';

describe('the command line of fuse-overlayfs', () => {
  it('is taken as podman types it, with its empty option', () => {
    const words = parseWords([
      '-o',
      'lowerdir=l/A:l/B,upperdir=x/diff,workdir=x/work,,volatile,context="s0"',
      'x/merged',
    ]);
    expect(words).toMatchObject({
      lowers: ['l/A', 'l/B'],
      upper: 'x/diff',
      work: 'x/work',
      target: 'x/merged',
      source: undefined,
      volatile: true,
      ignored: ['context="s0"'],
    });
  });

  it('is taken as mount(8) types it: source, target, options last', () => {
    const words = parseWords(['overlay', '/mnt', '-o', 'ro,lowerdir=/a', '-o', 'dialect=wh']);
    expect(words).toMatchObject({
      source: 'overlay',
      target: '/mnt',
      readOnly: true,
      volatile: false,
      lowers: ['/a'],
      dialect: 'wh',
      ignored: [],
    });
  });

  it('takes one folder alone, with the marks of an ordinary user', () => {
    expect(parseWords(['-o', 'userxattr,index=off,upperdir=/u,workdir=/w', '/m'])).toMatchObject({
      userXattr: true,
      upper: '/u',
      lowers: [],
      ignored: [],
    });
  });

  it('collects writes in the kernel only where it is asked for', () => {
    const writeback = (options: string) => parseWords(['-o', `lowerdir=/a${options}`, '/m']).shows.writeback;
    expect(['', ',writeback=0', ',writeback=1', ',writeback'].map(writeback)).toEqual([
      undefined,
      false,
      true,
      true,
    ]);
    expect(() => writeback(',writeback=2')).toThrow('writeback is 0 or 1');
  });

  it('takes -o without a blank before its value', () => {
    expect(parseWords(['-olowerdir=/a', '/m']).lowers).toEqual(['/a']);
  });

  it('colons and commas that are escaped belong to a path', () => {
    expect(parseWords(['-o', 'lowerdir=/a\\:b:/c', '/m']).lowers).toEqual(['/a:b', '/c']);
    expect(parseWords(['-o', 'lowerdir=/a\\,b:/c,ro', '/m'])).toMatchObject({
      lowers: ['/a,b', '/c'],
      readOnly: true,
    });
  });

  it('takes maps of owners as podman passes them, with a colon in front', () => {
    const { owners } = parseWords([
      '-o',
      'lowerdir=/a,uidmapping=:0:1:1000:1000:0:1,gidmapping=0:1000:1',
      '/m',
    ]);
    expect(owners).toEqual({
      uids: {
        ranges: [
          { stored: 0, shown: 1, count: 1000 },
          { stored: 1000, shown: 0, count: 1 },
        ],
      },
      gids: { ranges: [{ stored: 0, shown: 1000, count: 1 }] },
    });
    expect(() => parseWords(['-o', 'uidmapping=0:1', '/m'])).toThrow('cannot use uidmapping 0:1: ');
  });

  it('takes who all owners are squashed to, users and groups apart', () => {
    const ownersOf = (options: string) => parseWords(['-o', options, '/m']).owners;
    expect(ownersOf('ro')).toBeUndefined();
    const root = { squash: 'all', squashTo: 0 };
    expect(ownersOf('squash_to_root')).toEqual({ uids: root, gids: root });
    expect(ownersOf('squash_to_uid=7')).toEqual({ uids: { squash: 'all', squashTo: 7 }, gids: {} });
    expect(ownersOf('squash_to_gid=8,squash_to_uid=7')).toEqual({
      uids: { squash: 'all', squashTo: 7 },
      gids: { squash: 'all', squashTo: 8 },
    });
    expect(ownersOf('squash=none')).toEqual({ uids: { squash: 'none' }, gids: { squash: 'none' } });
    expect(() => ownersOf('squash_to_uid=me')).toThrow("cannot use squash_to_uid: 'me' is no id");
    for (const order of ['squash_to_root,squash_to_uid=7', 'squash_to_uid=7,squash_to_root'])
      expect(ownersOf(order)).toEqual({ uids: { squash: 'all', squashTo: 7 }, gids: root });
  });

  it('every unknown word is ignored and named', () => {
    const words = parseWords(['-x', '--bogus', '-o', 'private,lazytime,new=1', '/m']);
    expect(words.ignored).toEqual(['-x', '--bogus', 'private', 'lazytime', 'new=1']);
    expect(words.target).toBe('/m');
  });

  it('nothing is said about words of fuse-overlayfs that ask for what is done anyway', () => {
    const words = [
      ...[
        'redirect_dir=off',
        'timeout=1.5',
        'threaded=0',
        'fsync=1',
        'fast_ino=1',
        'writeback=1',
        'noxattrs=0',
      ],
      ...['xattr_permissions=2', 'static_nlink', 'volatile', 'noacl', 'default_permissions', 'allow_other'],
      ...['suid', 'dev', 'nosuid', 'nodev', 'exec', 'noexec', 'atime', 'noatime', 'diratime', 'nodiratime'],
      ...[
        'splice_write',
        'splice_read',
        'splice_move',
        'kernel_cache',
        'max_write=65536',
        'ro',
        'rw',
        'debug',
      ],
      ...['xino=auto', 'ino32_t=1', 'squash_to_root', 'squash_to_uid=1', 'squash_to_gid=1'],
      ...['uidmapping=0:1:1', 'gidmapping=0:1:1'],
    ];
    expect(parseWords(['-s', '-o', ['lowerdir=/a', ...words].join(','), '/m']).ignored).toEqual([]);
  });

  it('says what the mount shows only where something was said about it', () => {
    const shows = (options: string) => parseWords(['-o', options, '/m']).shows;
    expect(shows('lowerdir=/a,rw,relatime')).toEqual({});
    expect(shows('nodev,nosuid,noexec,dev')).toEqual({ dev: true, suid: false, exec: false });
    expect(shows('noacl,static_nlink,noxattrs=1')).toEqual({
      acls: false,
      folderLinks: false,
      xattrs: false,
    });
    expect(shows('allow_other,noxattrs=0')).toEqual({ allowOther: true, xattrs: true });
  });

  it('syncs nothing where nobody needs it', () => {
    const isVolatile = (options: string) => parseWords(['-o', options, '/m']).volatile;
    expect(['ro', 'volatile', 'fsync=0', 'fsync=1'].map(isVolatile)).toEqual([false, true, true, false]);
  });

  it('is read only or not as the last word of it says', () => {
    const readOnly = (options: string) => parseWords(['-o', options, '/m']).readOnly;
    expect(['ro', 'rw', 'ro,rw', 'rw,ro'].map(readOnly)).toEqual([true, false, false, true]);
  });

  it('a label of SELinux is one word, whatever commas are in it', () => {
    const words = parseWords(['-o', 'lowerdir=/a,context="u:r:t:s0:c1,c2",ro', '/m']);
    expect(words).toMatchObject({ lowers: ['/a'], readOnly: true, ignored: ['context="u:r:t:s0:c1,c2"'] });
    expect(parseWords(['-o', 'context="u:r,ro', '/m'])).toMatchObject({ ignored: ['context="u:r,ro'] });
  });

  it.each([['-d'], ['--debug'], ['-o', 'debug']])('%s stays in the foreground and tells', (...argv) => {
    expect(parseWords([...argv, '/m'])).toMatchObject({ debug: true, foreground: true, target: '/m' });
  });

  it.each(['timeout=soon', 'fsync=2', 'noxattrs=yes', 'xattr_permissions=3'])('%s is refused', (option) => {
    expect(() => parseWords(['-o', option, '/m'])).toThrow(`cannot use ${option}: `);
  });

  it.each([
    [['-V'], { version: true }],
    [['--version'], { version: true }],
    [['-h'], { help: true }],
    [['-f', '/m'], { foreground: true }],
  ] as const)('%j', (argv, expected) => {
    expect(parseWords(argv)).toMatchObject(expected);
  });

  it('a dialect that does not exist is refused', () => {
    expect(() => parseWords(['-o', 'dialect=x', '/m'])).toThrow('a dialect is overlay or wh');
  });

  it('takes layers of data alone, and a later list of layers in place of an earlier one', () => {
    const { lowers, data } = parseWords(['-o', 'lowerdir=/a:/b::/c\\:d::/e', '/m']);
    expect({ lowers, data }).toEqual({ lowers: ['/a', '/b'], data: ['/c:d', '/e'] });
    expect(parseWords(['-o', 'lowerdir=/a::/b,lowerdir=:/c:', '/m'])).toMatchObject({
      lowers: ['/c'],
      data: [],
    });
  });

  it('-o at the end is refused', () => {
    expect(() => parseWords(['/m', '-o'])).toThrow('its options are missing');
  });
});
