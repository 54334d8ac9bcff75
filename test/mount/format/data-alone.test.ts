// Layers of data alone: files without data, in folders and in an EROFS image as composefs makes it, find theirs where
// an absolute redirect points, and no name of the objects is shown. The kernel's overlayfs is the reference, in turns.

import { afterEach, expect, it } from 'vitest';
import { describeWith } from '../../requires.js';
import { expectSame, type Folders, Layers } from './readers.js';

let layers: Layers | undefined;
afterEach(() => {
  layers?.remove();
  layers = undefined;
});

/** Objects in two folders, and the tree that refers to them; `$1` is the prefix of the marks. */
const OBJECTS = `
mkdir -p da/00/ab db/ff db/00 low
echo one > da/00/ab/one; head -c 3000 /dev/zero | tr '\\0' t > db/ff/two; echo three > db/ff/three; : > db/ff/empty
echo hidden > db/00/hidden; truncate -s 2M da/00/sparse; printf end | dd of=da/00/sparse bs=1 seek=2000000 conv=notrunc status=none
mkdir -p md/d/e md/links md/small
put() { # file object redirect
  truncate -s "$(stat -c %s "$2")" "md/$1"
  setfattr -n "$marks.overlay.metacopy" "md/$1"; setfattr -n "$marks.overlay.redirect" -v "$3" "md/$1"
}
marks=$1
put one da/00/ab/one /00/ab/one; put d/two db/ff/two /ff/two; put d/e/three db/ff/three /ff/three
put sparse da/00/sparse /00/sparse; put d/lost db/ff/two /no/where; put d/again db/ff/two /ff/two; put d/empty db/ff/empty /ff/empty
put links/a db/ff/three /ff/three; ln md/links/a md/links/b
put small/xattrs db/ff/two /ff/two; setfattr -n user.long -v "$(head -c 900 /dev/zero | tr '\\0' y)" md/small/xattrs
echo inline > md/inline; chmod 640 md/d/two; chown 3:4 md/one 2>/dev/null || :; touch -d '2001-02-03 04:05:06.5' md/d/two md/one
chmod 4755 md/d/e/three; echo low > low/below; echo low > low/one
`;

const CHANGES = `
chmod 600 one; mv d/two d/moved; mv d D; ln D/again linked; echo more >> D/e/three; echo x > links/a
mv sparse D/sparse; rm links/b; touch -d @5 small/xattrs; : > inline; truncate -s 1000 D/again
`;

const MORE = `
mv D/moved back; chmod 644 back; mv D d; echo again >> one; mv small/xattrs d/x; echo y >> d/sparse; rm d/e/three
`;

const BELOW: Folders = { lowers: ['md', 'low'], data: ['da', 'db'] };

/**
 * Two differences are meant: data that is missing is EIO here and ENOENT there, and the kernel, which looks for data
 * when it is read, makes blocks up for a file whose data it has not met.
 */
const alike = (line: string) => line.replace(/content=(ENOENT|EIO)/, 'content=none').replace(' holes', '');

describeWith(['overlay', 'fuse', 'program:setfattr'], 'layers of data alone', () => {
  it('read as the kernel reads them, and so does what either writes above', async () => {
    layers = await Layers.make('root', 'up');
    layers.run('.', [OBJECTS, 'trusted']);
    const options = 'metacopy=on,redirect_dir=on,index=on';
    layers.run('.', ['chmod --reference=md up; touch -r md up']);
    const shown = await layers.ours(BELOW, {});
    expectSame(shown, layers.kernel(BELOW, options), alike);
    expect(shown.get('one')).toContain('3:4');
    expect([...shown.keys()]).not.toContain('00');
    const both = { ...BELOW, upper: 'up' };
    const first = await layers.ours(both, { settle: true }, [`rm d/lost; ${CHANGES}`]);
    expectSame(layers.kernel(both, options), first, alike);
    layers.kernel(both, options, [MORE]);
    expectSame(await layers.ours(both, {}), layers.kernel(both, options), alike);
  });

  it('read the same under user., which the kernel refuses to follow', async () => {
    layers = await Layers.make('root', 'up');
    const untimed = (line: string) => line.replace(/ mtime=\d+/, '');
    layers.run('.', [OBJECTS, 'trusted']);
    const wanted = await layers.ours(BELOW, {});
    layers.run('.', ['rm -r md da db low']);
    layers.run('.', [OBJECTS, 'user']);
    expectSame(await layers.ours(BELOW, { marks: 'user' }), wanted, untimed);
    layers.run('.', ['chmod --reference=md up; touch -r md up']);
    const both = { ...BELOW, upper: 'up' };
    const written = await layers.ours(both, { marks: 'user', settle: true }, [`rm d/lost; ${CHANGES}`]);
    expectSame(await layers.ours(both, { marks: 'user' }), written);
  });

  it('read the same after the kernel left data below, and the other way round', async () => {
    layers = await Layers.make('root', 'up');
    layers.run('.', [OBJECTS, 'trusted']);
    const options = 'metacopy=on,redirect_dir=on,index=on';
    const both = { ...BELOW, upper: 'up' };
    layers.kernel(both, options, [`rm d/lost; ${CHANGES}`]);
    expectSame(await layers.ours(both, {}), layers.kernel(both, options), alike);
    const written = await layers.ours(both, {}, [MORE]);
    expectSame(await layers.ours(both, { settle: true }), written);
    expectSame(layers.kernel(both, options), written, alike);
  });
});

describeWith(
  ['overlay', 'fuse', 'loop', 'program:mkfs.erofs', 'program:setfattr'],
  'an EROFS image as composefs makes it',
  () => {
    it('reads as the kernel reads it, whatever blocks its files seem to have', async () => {
      layers = await Layers.make('root', 'up', 'image');
      layers.run('.', [OBJECTS, 'trusted']);
      layers.run('.', [
        'rm md/d/lost; mkfs.erofs -x1 md.erofs md >/dev/null 2>&1; mount -t erofs -o ro,loop md.erofs image',
      ]);
      try {
        const below = { lowers: ['image'], data: ['da', 'db'] };
        const options = 'metacopy=on,redirect_dir=on';
        expectSame(await layers.ours(below, {}), layers.kernel(below, options), alike);
        const plain = { lowers: ['image', 'da', 'db'] };
        expectSame(await layers.ours(plain, {}), layers.kernel(plain, options));
        const both = { ...below, upper: 'up' };
        layers.run('.', ['chmod --reference=image up; touch -r image up']);
        const written = await layers.ours(both, { settle: true }, [CHANGES]);
        expectSame(layers.kernel(both, options), written, alike);
      } finally {
        layers.run('.', ['umount image']);
      }
    });
  },
);
