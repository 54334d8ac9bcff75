// What the workloads run on: layer folders, stores that hold the same layers, a tar archive. Each is made when it is
// first asked for, once for root and once more for the ordinary user, who owns all of his.
//
// A fixture's name says what it is: `40` layers of trees of their own, `same-40` layers of one tree, `big` and
// `latency` with one large file, `scale-1000` files in a store that grows by a layer a step.
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianImage, smallImage } from './image.mjs';
import { makeBig, makeLatency, makeLayers, makeSame } from './layers.mjs';
import { must } from './measure.mjs';
import { SCALES } from './series.mjs';

/** What the full bench is measured with; `size` makes all of it smaller, to try the bench itself. */
export function sizesOf(size) {
  const part = (full, unit) => Math.max(unit, Math.round((full * size) / unit) * unit);
  return {
    isFull: size === 1,
    files: part(36_000, 400),
    tarFiles: part(15_000, 1000),
    big: part(1 << 30, 1 << 20),
    scale: SCALES.map((files) => Math.max(1, Math.round(files * size))),
  };
}

export class Fixtures {
  /** A tmpfs. */
  uppers;
  /** A folder on the disk on which the layers lie. */
  onDisk;
  sizes;
  #base;
  #layers = new Map();
  #stores = new Map();
  #scale;
  #tar;
  #image;

  constructor(base, sizes) {
    this.#base = base;
    this.sizes = sizes;
    chmodSync(base, 0o755);
    this.uppers = join(base, 'uppers');
    this.onDisk = join(base, 'disk');
    for (const path of [this.uppers, this.onDisk]) mkdirSync(path);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', this.uppers]);
  }

  /** `{ folder, names, merged, mergedFile, files }`: layers as layers.mjs makes them, and `merged` as a file of JSON. */
  layers(fixture, user) {
    const id = user === undefined ? fixture : `${fixture}-${user.uid}`;
    if (!this.#layers.has(id)) {
      this.#layers.set(id, user === undefined ? this.#make(fixture) : this.#copy(fixture, user));
    }
    return this.#layers.get(id);
  }

  #make(fixture) {
    const { files, big, scale } = this.sizes;
    if (fixture.startsWith('scale-'))
      return this.#scaleLayers(scale[SCALES.indexOf(Number(fixture.slice(6)))]);
    const folder = join(this.#base, `layers-${fixture}`);
    mkdirSync(folder);
    const made = makerOf(fixture)(folder, files, big);
    const mergedFile = `${folder}.json`;
    writeFileSync(mergedFile, JSON.stringify([...made.merged]));
    return { folder, mergedFile, files: made.merged.size, ...made };
  }

  #copy(fixture, { uid, gid }) {
    const rootsOwn = this.layers(fixture);
    const folder = `${rootsOwn.folder}-${uid}`;
    must('cp', ['-a', '--reflink=auto', rootsOwn.folder, folder]);
    must('chown', ['-R', '-h', `${uid}:${gid}`, folder]);
    return { ...rootsOwn, folder };
  }

  /** A store made by the build in `checkout` with the fixture's layers; `snapshot` is the topmost. */
  store(fixture, checkout, user) {
    if (fixture.startsWith('scale-')) return this.#scaleStore(this.layers(fixture).names.length);
    const id = `${fixture} ${checkout} ${user?.uid}`;
    if (!this.#stores.has(id)) {
      const { folder, names } = this.layers(fixture, user);
      const at = this.#folderFor(user, `store-${this.#stores.size}`);
      const [root, state] = [join(at, 'root'), join(at, 'state')];
      const script = new URL('make-store.mjs', import.meta.url).pathname;
      must(process.execPath, [script, checkout, root, state, folder, ...names.toReversed()], {
        cwd: '/',
        user,
      });
      this.#stores.set(id, { root, state, snapshot: names[0] });
    }
    return this.#stores.get(id);
  }

  /** A folder that belongs to root or the user, for what programs keep beside their mounts. */
  stateFor(user) {
    const at = join(this.onDisk, `state-${user?.uid ?? 0}`);
    mkdirSync(at, { recursive: true, mode: 0o700 });
    if (user !== undefined) chownSync(at, user.uid, user.gid);
    return at;
  }

  #folderFor(user, name) {
    const at = join(this.onDisk, name);
    mkdirSync(at);
    if (user !== undefined) chownSync(at, user.uid, user.gid);
    return at;
  }

  /** The first layers of the store that grows, `files` files together; its folders are the layers of the others. */
  #scaleLayers(files) {
    const count = this.sizes.scale.indexOf(files) + 1;
    this.#scaleStore(count);
    const { root, ids } = this.#scale;
    const names = ids.slice(0, count).map((id) => `${id}/fs`);
    return { folder: join(root, 'snapshots'), names: names.reverse(), merged: new Map(), files };
  }

  #scaleStore(count) {
    if (this.#scale === undefined) {
      const at = this.#folderFor(undefined, 'store-scale');
      const [root, state] = [join(at, 'root'), join(at, 'state')];
      const script = new URL('make-scale.mjs', import.meta.url).pathname;
      const checkout = new URL('../..', import.meta.url).pathname;
      const out = must(process.execPath, [script, checkout, root, state, ...this.sizes.scale.map(String)]);
      this.#scale = { root, state, ids: JSON.parse(out) };
    }
    const { root, state } = this.#scale;
    return { root, state, snapshot: `step${count - 1}` };
  }

  /** An archive of small files, `d<n>/f<0-99>`. */
  get tar() {
    if (this.#tar === undefined) {
      const source = join(this.#base, 'tar-source');
      for (let folder = 0; folder < this.sizes.tarFiles / 100; folder++) {
        mkdirSync(join(source, `d${folder}`), { recursive: true });
        for (let n = 0; n < 100; n++)
          writeFileSync(join(source, `d${folder}`, `f${n}`), `content ${folder} ${n}\n`.repeat(40));
      }
      this.#tar = join(this.#base, 'source.tar');
      execFileSync('tar', ['-C', source, '-cf', this.#tar, '.']);
    }
    return this.#tar;
  }

  /** `{ folder, layout, archive }`: an image as a layout, its name for umoci, and the same in a tar. */
  get image() {
    this.#image ??= this.sizes.isFull ? debianImage(this.#base) : smallImage(this.#base, this.tar);
    return this.#image;
  }

  /** Lazily: a server of a mount lives until the last copy of it is gone, which may be in another mount namespace. */
  remove() {
    execFileSync('umount', ['--lazy', this.uppers]);
  }
}

function makerOf(fixture) {
  if (fixture === 'big') return (folder, _files, big) => makeBig(folder, big);
  if (fixture === 'latency') return (folder, _files, big) => makeLatency(folder, 2 * big);
  if (fixture.startsWith('same-'))
    return (folder, files) => makeSame(folder, Number(fixture.slice(5)), files);
  const count = Number(fixture);
  return (folder, files) => makeLayers(folder, count, Math.ceil(files / count));
}
