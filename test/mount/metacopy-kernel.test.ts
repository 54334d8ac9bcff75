// Files with attributes in one layer and data in another, between the kernel's overlayfs (metacopy=on) and our
// union: what either writes shows the same tree in the other.

import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { mergeImages } from '../../fs/erofs/merge.js';
import { ImageReader } from '../../fs/erofs/reader.js';
import { writeImage } from '../../fs/erofs/writer.js';
import { RENAME_EXCHANGE } from '../../fs/filesystem.js';
import { openLowerDir } from '../../fs/layer/dir-layer.js';
import { openUpperDir } from '../../fs/layer/dir-upper.js';
import { ErofsLayer } from '../../fs/layer/erofs-layer.js';
import type { ReadLayer } from '../../fs/layer/layer.js';
import { scanLayer } from '../../fs/layer/scan-layer.js';
import { fromText, toText } from '../../fs/name.js';
import { Union } from '../../fs/union/union.js';
import { describeWith } from '../requires.js';
import { Paths } from '../suites/paths.js';

/** What overlayfs takes to leave data below; its index keeps hard links together. */
const METACOPY = 'metacopy=on,redirect_dir=on,index=on';

const LOWEST = `
mkdir -p d/e many/a/b
printf one > f; printf two > d/g; printf three > d/e/h; printf linked > l1; ln l1 l2; ln l1 d/l3
printf small > x; setfattr -n user.long -v "$(head -c 3000 /dev/zero | tr '\\0' y)" x
truncate -s 1M sparse; printf data | dd of=sparse bs=1 seek=500000 conv=notrunc 2>/dev/null
printf deep > many/a/b/c; chmod 4755 f; touch -d '1999-01-01 00:00:00.123456789' f d/g
`;

/** Rounds of changes that copy no data, each over what the ones before have left. */
const ROUNDS = [
  'chmod 600 f x; chown 3:4 d/g sparse; mv d/e/h d/h; mv d D; chmod 640 l1; ln sparse also; mv many/a/b moved',
  'mv f F; touch f; mv D/g g; chown 5:6 g also; mv D/h moved/h; ln l2 l4; rm l1; chmod 711 moved/c; mv moved M',
  'chmod 400 F; printf new > x; mv M/c c; chmod 644 l4; mv g M/g; rm sparse',
];

let base: string;
const mounted: string[] = [];
const opened: ReadLayer[] = [];
const at = (name: string): string => join(base, name);

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'mica-metacopy-kernel-'));
  for (const name of ['lower', 'merged']) mkdirSync(at(name));
  execFileSync('sh', ['-ec', LOWEST], { cwd: at('lower') });
});

afterEach(() => {
  for (const layer of opened.splice(0)) layer.close();
  for (const place of mounted.splice(0)) execFileSync('umount', [place]);
  execFileSync('rm', ['-rf', base]);
});

/** Runs `act` on a kernel mount; without `upper` it is read only. */
function withKernel<T>(
  lowers: readonly string[],
  upper: string | undefined,
  options: string,
  act: () => T,
): T {
  const dirs = `lowerdir=${lowers.map(at).join(':')}`;
  const writing = upper === undefined ? '' : `,upperdir=${at(upper)},workdir=${at(`${upper}-work`)}`;
  execFileSync('mount', ['-t', 'overlay', 'o', '-o', `${dirs}${writing},${options}`, at('merged')], {
    stdio: 'pipe',
  });
  mounted.push(at('merged'));
  try {
    return act();
  } finally {
    execFileSync('umount', [at('merged')]);
    mounted.pop();
  }
}

function makeUpper(name: string): void {
  mkdirSync(at(name));
  mkdirSync(at(`${name}-work`));
}

function changed(script: string): void {
  execFileSync('sh', ['-ec', script], { cwd: at('merged') });
}

function openLower(name: string): ReadLayer {
  return openLowerDir(fromText(at(name)), { id: name, marks: ['trusted'] });
}

function openUnion(lowers: readonly string[], upper: string): Union {
  return new Union({
    lowers: lowers.map(openLower),
    upper: openUpperDir(fromText(at(upper)), fromText(at(`${upper}-work`)), {
      marks: 'trusted',
      lockWaitMs: 0,
    }),
  });
}

type Tree = Record<string, unknown>;

function treeOfFolder(folder: string, prefix = ''): Tree {
  const all: Tree = {};
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    const { mode, uid, gid, size, blocks, mtimeNs, nlink } = lstatSync(path, { bigint: true });
    const key = `${prefix}${name}`;
    if ((mode & 0o170000n) === 0o040000n)
      Object.assign(all, { [key]: [mode, uid] }, treeOfFolder(path, `${key}/`));
    else all[key] = [mode, uid, gid, size, blocks, mtimeNs, nlink, readFileSync(path, 'latin1')].map(String);
  }
  return all;
}

function treeOfUnion(paths: Paths, path = ''): Tree {
  const all: Tree = {};
  for (const name of paths.ls(path)) {
    const key = path === '' ? name : `${path}/${name}`;
    const { mode, uid, gid, size, blocks, mtimeSec, mtimeNsec, nlink } = paths.stat(key);
    const mtime = BigInt(mtimeSec) * 1_000_000_000n + BigInt(mtimeNsec);
    if ((mode & 0o170000) === 0o040000) {
      Object.assign(all, { [toText(key)]: [BigInt(mode), BigInt(uid)] }, treeOfUnion(paths, key));
    } else
      all[toText(key)] = [mode, uid, gid, size, blocks, mtime, nlink, contentOf(paths, key, size)].map(
        String,
      );
  }
  return all;
}

function contentOf(paths: Paths, path: string, size: number): string {
  const handle = paths.open(path);
  const into = Buffer.alloc(size + 1);
  const count = paths.fs.read(handle, 0, into);
  paths.fs.release(handle);
  return into.toString('latin1', 0, count);
}

function shownBy(lowers: readonly ReadLayer[]): Tree {
  return treeOfUnion(new Paths(new Union({ lowers })));
}

/** The layers as the store opens committed ones: merged into one index. */
function flattened(lowers: readonly string[]): ErofsLayer {
  const layers = lowers.map(openLower);
  const images = layers.map((layer) => {
    const { bytes, length } = writeImage(
      scanLayer(layer, { marks: 'trusted', dataPath: fromText(`/${layer.id}`) }),
    );
    return new ImageReader(bytes, length);
  });
  const { bytes, length } = writeImage(mergeImages(images, 'trusted.overlay.'));
  const nothing = () => undefined;
  const index = { image: new ImageReader(bytes, length), letGo: nothing, release: nothing };
  const chain = new ErofsLayer(index, { id: 'chain', marks: 'trusted', layers, flattened: true });
  opened.push(chain);
  return chain;
}

const BLOCKS = 4;
const LINKS = 6;

function without(tree: Tree, ...facts: number[]): Tree {
  return Object.fromEntries(
    Object.entries(tree).map(([path, all]) => [
      path,
      (all as unknown[]).filter((_, i) => !facts.includes(i)),
    ]),
  );
}

describeWith(['overlay', 'program:setfattr'], 'files without data', () => {
  it('that the kernel wrote read the same here: as an upper, as lowers, and through an index', () => {
    const lowers = ['lower'];
    for (const [i, round] of ROUNDS.entries()) {
      const upper = `upper${i}`;
      makeUpper(upper);
      const wanted = withKernel(lowers, upper, METACOPY, () => {
        changed(round);
        return treeOfFolder(at('merged'));
      });
      const union = openUnion(lowers, upper);
      try {
        expect(treeOfUnion(new Paths(union))).toEqual(wanted);
      } finally {
        union.destroy();
      }
      lowers.unshift(upper);
      // Layers have no index of hard links: what was changed through one name shows through that name alone.
      const asLowers = withKernel(lowers, undefined, METACOPY.replace(',index=on', ''), () =>
        treeOfFolder(at('merged')),
      );
      const layers = lowers.map(openLower);
      opened.push(...layers);
      expect(shownBy(layers)).toEqual(asLowers);
      // An index counts the names that are shown.
      expect(without(shownBy([flattened(lowers)]), LINKS)).toEqual(without(asLowers, LINKS));
    }
  });

  it('that we wrote are refused by the kernel under the guard, and are what it would have written', () => {
    makeUpper('upper');
    const union = openUnion(['lower'], 'upper');
    const paths = new Paths(union);
    paths.chmod('f', 0o600);
    paths.setattr('sparse', { uid: 3, gid: 4 });
    paths.link('sparse', 'also');
    paths.rename('d/g', 'g');
    paths.rename('d/e', 'e');
    paths.rename('d', 'D');
    paths.chmod('e/h', 0o640);
    paths.rename('many/a/b/c', 'x', RENAME_EXCHANGE);
    paths.setxattr('l1', 'user.a', 'b');
    const wanted = treeOfUnion(paths);
    union.destroy();
    expect(() => withKernel(['lower'], 'upper', METACOPY, () => undefined)).toThrow();
    rmdirSync(at('upper-work/work/incompat/mica'));
    rmdirSync(at('upper-work/work/incompat'));
    expect(withKernel(['lower'], 'upper', METACOPY, () => treeOfFolder(at('merged')))).toEqual(wanted);
  });

  it('are filled in by settling, after which every overlayfs shows the tree', () => {
    makeUpper('upper');
    withKernel(['lower'], 'upper', METACOPY, () => changed(ROUNDS[0]!));
    const union = openUnion(['lower'], 'upper');
    const paths = new Paths(union);
    paths.rename('f', 'many/f');
    paths.chmod('moved/c', 0o600);
    const wanted = without(treeOfUnion(paths), BLOCKS, LINKS);
    union.settle();
    expect(without(treeOfUnion(paths), BLOCKS, LINKS)).toEqual(wanted);
    union.destroy();
    const bare = execFileSync('getfattr', ['-R', '-h', '-m', 'trusted.overlay.metacopy', at('upper')], {
      stdio: 'pipe',
    });
    expect(bare.toString()).toBe('');
    const plain = 'metacopy=off,redirect_dir=follow,index=off';
    expect(
      withKernel(['lower'], 'upper', plain, () => without(treeOfFolder(at('merged')), BLOCKS, LINKS)),
    ).toEqual(wanted);
  });
});
