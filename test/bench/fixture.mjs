// What the workloads run on, the same at every run: layer folders (each with its own folders, some files of the
// layers below replaced, and a few deleted), stores that hold the same layers, a tar archive, a big file.
// Everything is made when it is first asked for.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Files of all layers of a fixture together. */
const FILES = 36_000;
export const BIG = 1 << 30;
export const TAR_FILES = 15_000;

/** A deterministic stream of numbers (a linear congruential generator), so that every run measures the same tree. */
function numbers(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * below);
  };
}

export class Fixtures {
  /** A tmpfs. */
  uppers;
  #base;
  #layers = new Map();
  #stores = new Map();
  #tar;

  constructor(base) {
    this.#base = base;
    this.uppers = join(base, 'uppers');
    mkdirSync(this.uppers);
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', this.uppers]);
  }

  /** `{ folder, names, merged }`: names of the layers in the folder, topmost first, and the merged tree by path. */
  layers(fixture) {
    if (!this.#layers.has(fixture)) {
      const folder = join(this.#base, `layers-${fixture}`);
      mkdirSync(folder);
      const made =
        fixture === 'big' ? makeBigLayer(folder) : makeLayers(folder, fixture, Math.ceil(FILES / fixture));
      this.#layers.set(fixture, { folder, ...made });
    }
    return this.#layers.get(fixture);
  }

  /** A store made by the build in `checkout` with the fixture's layers; `snapshot` is the topmost. */
  store(fixture, checkout) {
    const id = `${fixture} ${checkout}`;
    if (!this.#stores.has(id)) {
      const { folder, names } = this.layers(fixture);
      const at = join(this.#base, `store-${this.#stores.size}`);
      const [root, state] = [join(at, 'root'), join(at, 'state')];
      mkdirSync(at);
      const script = new URL('make-store.mjs', import.meta.url).pathname;
      execFileSync(process.execPath, [script, checkout, root, state, folder, ...names.toReversed()]);
      this.#stores.set(id, { root, state, snapshot: names[0] });
    }
    return this.#stores.get(id);
  }

  /** An archive of TAR_FILES small files, `d<0-149>/f<0-99>`. */
  get tar() {
    if (this.#tar === undefined) {
      const source = join(this.#base, 'tar-source');
      for (let folder = 0; folder < TAR_FILES / 100; folder++) {
        mkdirSync(join(source, `d${folder}`), { recursive: true });
        for (let n = 0; n < 100; n++)
          writeFileSync(join(source, `d${folder}`, `f${n}`), `content ${folder} ${n}\n`.repeat(40));
      }
      this.#tar = join(this.#base, 'source.tar');
      execFileSync('tar', ['-C', source, '-cf', this.#tar, '.']);
    }
    return this.#tar;
  }

  remove() {
    execFileSync('umount', [this.uppers]);
  }
}

/** Writes layers l0 (bottom) to l<count-1> below `base`. */
function makeLayers(base, count, filesPerLayer) {
  const next = numbers(count * 1000 + filesPerLayer);
  const merged = new Map();
  const names = [];
  for (let layer = 0; layer < count; layer++) {
    const root = join(base, `l${layer}`);
    mkdirSync(root);
    names.unshift(`l${layer}`);
    const made = new Set();
    const write = (path, content) => {
      const dir = join(root, path, '..');
      if (!made.has(dir)) {
        mkdirSync(dir, { recursive: true });
        made.add(dir);
      }
      writeFileSync(join(root, path), content);
      merged.set(path, content);
    };
    const old = [...merged.keys()];
    for (let n = 0; n < filesPerLayer; n++) {
      const folder = `shared${n % 20}/own${layer}-${n % 7}`;
      write(`${folder}/file${n}`, `layer ${layer} file ${n}\n`.repeat(1 + next(20)));
    }
    for (let n = 0; n < filesPerLayer / 10 && old.length > 0; n++) {
      const path = old[next(old.length)];
      if (merged.has(path)) write(path, `replaced by layer ${layer}\n`);
    }
    for (let n = 0; n < filesPerLayer / 50 && old.length > 0; n++) {
      const path = old[next(old.length)];
      const at = join(root, path);
      if (!merged.has(path) || made.has(at)) continue;
      mkdirSync(join(at, '..'), { recursive: true });
      execFileSync('sh', ['-c', 'rm -f "$1" && mknod "$1" c 0 0', 'sh', at]);
      merged.delete(path);
    }
  }
  return { names, merged };
}

/** Two layers, the lower of which holds one file `big` whose bytes are really on disk. */
function makeBigLayer(base) {
  mkdirSync(join(base, 'l0'));
  mkdirSync(join(base, 'l1'));
  execFileSync('sh', ['-c', 'head -c "$2" /dev/zero > "$1"', 'sh', join(base, 'l0', 'big'), String(BIG)]);
  return { names: ['l1', 'l0'], merged: new Map() };
}
