// What kernel overlayfs wrote is the same tree under our mount: as lower layers, and as an upper that our mount goes
// on with and the kernel takes back, whatever options the kernel had, whoever mounted and wherever the layers lie.

import { afterEach, expect, it } from 'vitest';
import { describeWith } from '../../requires.js';
import { runs } from '../../runs.js';
import { expectSame, type Folders, Layers, type Ours, type Who } from './readers.js';

let layers: Layers | undefined;
afterEach(() => {
  layers?.remove();
  layers = undefined;
});

/** `npm test` tries some of the rows, the long form all. */
const everyRow = runs(1) > 1;

/** Options of mount(8), and whether `npm test` tries them. */
const OPTIONS: readonly (readonly [string, boolean])[] = [
  ['index=off,redirect_dir=off', true],
  ['index=on,redirect_dir=on,uuid=on', true],
  ['index=on,nfs_export=on', true],
  ['index=on,redirect_dir=on,metacopy=on', true],
  ['userxattr', true],
  ['index=off,redirect_dir=follow,uuid=off', false],
  ['index=on,redirect_dir=off,xino=on', false],
  ['index=off,redirect_dir=on,uuid=auto', false],
  ['index=on,nfs_export=on,redirect_dir=on,uuid=null', false],
  ['index=off,redirect_dir=on,metacopy=on', false],
  ['userxattr,xino=on', false],
];

function marksOf(options: string): Ours {
  return options.includes('userxattr') ? { marks: 'user' } : {};
}

/** With nfs_export overlayfs counts the index's own link of a file that has one name only. */
function exceptIndexLinks(line: string): string {
  return line.includes(' one-with=') ? line : line.replace(/ links=\d+/, '');
}

/** Both take turns on the layers `lowers` and the fresh folders `mid` and `top`. */
async function takeTurns(
  at: Layers,
  lowers: readonly string[],
  options: string,
  but?: (line: string) => string,
): Promise<void> {
  const marks = marksOf(options);
  const one: Folders = { lowers, upper: 'mid' };
  at.kernel(one, options, ['changes.sh', '1']);
  expectSame(await at.ours(one, marks), at.kernel(one, options), but);
  const two: Folders = { lowers: ['mid', ...lowers], upper: 'top' };
  at.run('.', ['chmod --reference=mid top; touch -r mid top']);
  expectSame(await at.ours({ lowers: two.lowers }, marks), at.kernel(two, options), but);
  at.kernel(two, options, ['changes.sh', '2']);
  expectSame(await at.ours(two, marks), at.kernel(two, options), but);
  const written = await at.ours(two, { ...marks, settle: true }, ['changes.sh', '3']);
  expect(written.size).toBeGreaterThan(50);
  expectSame(at.kernel(two, options), written, but);
  at.kernel(two, options, ['changes.sh', '4']);
  expectSame(await at.ours(two, marks), at.kernel(two, options), but);
}

describeWith(['overlay', 'fuse'], 'what kernel overlayfs wrote is the same tree', () => {
  for (const [options, usual] of OPTIONS.filter(([, often]) => often || everyRow)) {
    it(`in lowers and in an upper that goes on: ${options}${usual ? '' : ' (long)'}`, async () => {
      layers = await Layers.make('root', 'low', 'mid', 'top');
      layers.run('low', ['lower.sh']);
      await takeTurns(
        layers,
        ['low'],
        options,
        options.includes('nfs_export') ? exceptIndexLinks : undefined,
      );
    });
  }

  for (const options of ['index=on,redirect_dir=on,xino=on', ...(everyRow ? ['xino=off,index=off'] : [])]) {
    it(`with lowers on two filesystems: ${options}`, async () => {
      layers = await Layers.make('root', 'tmp', 'low', 'mid', 'top');
      layers.run('.', ['mount -t tmpfs none tmp']);
      try {
        layers.run('tmp', ['lower.sh']);
        const more = 'mkdir merged; echo new > merged/new; ln merged/new two; mkdir plain; mknod gone c 0 0';
        layers.run('low', [more]);
        await takeTurns(layers, ['low', 'tmp'], options);
      } finally {
        layers.run('.', ['umount tmp']);
      }
    });
  }

  for (const options of ['index=on', 'userxattr']) {
    it(`with whiteouts that are xattrs, in lowers and in an upper: ${options}`, async () => {
      layers = await Layers.make('root', 'low', 'mid', 'top');
      layers.run('low', ['lower.sh']);
      const marks = marksOf(options);
      const one = { lowers: ['low'], upper: 'mid' };
      const before = layers.kernel(one, options, ['changes.sh', '1']);
      layers.run('mid', ['xattr-whiteouts.sh', marks.marks ?? 'trusted']);
      // The links of files whose names are in the upper alone were counted in another inode before.
      expectSame(layers.kernel(one, options), before, (line) => line.replace(/ links=\d+/, ''));
      expectSame(await layers.ours(one, marks), layers.kernel(one, options));
      const two = { lowers: ['mid', 'low'], upper: 'top' };
      layers.run('.', ['chmod --reference=mid top; touch -r mid top']);
      expectSame(await layers.ours(two, marks), layers.kernel(two, options));
      const written = await layers.ours(two, { ...marks, settle: true }, ['changes.sh', '3']);
      expectSame(layers.kernel(two, options), written);
      const more = await layers.ours(one, { ...marks, settle: true }, ['changes.sh', '4']);
      expectSame(layers.kernel(one, options), more);
    });
  }
});

describeWith(['root', 'overlay', 'fuse for all', 'program:nsenter'], 'in a user namespace', () => {
  it('what kernel overlayfs wrote is the same tree', async () => {
    const who: Who = 'namespace';
    layers = await Layers.make(who, 'low', 'mid', 'top');
    layers.run('low', ['lower.sh']);
    await takeTurns(layers, ['low'], 'userxattr');
  });
});
