// Layer folders for the benchmark, the same at every run: `count` layers, each with its own folders, some files
// of the layers below replaced, and a few deleted.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A deterministic stream of numbers (a linear congruential generator), so that every run measures the same tree. */
function numbers(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * below);
  };
}

/**
 * Writes layers l0 (bottom) to l<count-1> below `base`; returns their names topmost first and the tree that a
 * union must show as a Map from path to content.
 */
export function makeLayers(base, count, filesPerLayer) {
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

/** Two layers, the lower of which holds one file `big` of `size` bytes that are really on disk. */
export function makeBigLayer(base, size) {
  mkdirSync(join(base, 'l0'));
  mkdirSync(join(base, 'l1'));
  execFileSync('sh', ['-c', 'head -c "$2" /dev/zero > "$1"', 'sh', join(base, 'l0', 'big'), String(size)]);
  return { names: ['l1', 'l0'], merged: new Map() };
}
