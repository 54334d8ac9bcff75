// Layer folders, the same at every run. Every maker writes l0 (bottom) to l<count-1> below a folder and returns
// `{ names, merged }`: the layers, topmost first, and what their union holds, content by path.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Empty files beside the huge one: each is asked for once. */
export const LATENCY_NAMES = 20_000;

/** A deterministic stream of numbers (a linear congruential generator), so that every run measures the same tree. */
function numbers(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * below);
  };
}

/** Writes files below `root` and makes their folders, each once. */
function writer(root) {
  const made = new Set();
  return (path, content) => {
    const at = join(root, path);
    const folder = join(at, '..');
    if (!made.has(folder)) {
      mkdirSync(folder, { recursive: true });
      made.add(folder);
    }
    writeFileSync(at, content);
  };
}

function makeRoots(base, count) {
  const names = Array.from({ length: count }, (_, layer) => `l${layer}`);
  for (const name of names) mkdirSync(join(base, name));
  return names.reverse();
}

/** Layers with folders of their own in shared ones, some files of the layers below replaced and a few deleted. */
export function makeLayers(base, count, filesPerLayer) {
  const next = numbers(count * 1000 + filesPerLayer);
  const merged = new Map();
  const names = makeRoots(base, count);
  for (let layer = 0; layer < count; layer++) {
    const root = join(base, `l${layer}`);
    const put = writer(root);
    const replaced = new Set();
    const write = (path, content) => {
      put(path, content);
      merged.set(path, content);
    };
    const old = [...merged.keys()];
    for (let n = 0; n < filesPerLayer; n++) {
      const folder = `shared${n % 20}/own${layer}-${n % 7}`;
      write(`${folder}/file${n}`, `layer ${layer} file ${n}\n`.repeat(1 + next(20)));
    }
    for (let n = 0; n < filesPerLayer / 10 && old.length > 0; n++) {
      const path = old[next(old.length)];
      write(path, `replaced by layer ${layer}\n`);
      replaced.add(path);
    }
    const gone = [];
    for (let n = 0; n < filesPerLayer / 50 && old.length > 0; n++) {
      const path = old[next(old.length)];
      if (!merged.has(path) || replaced.has(path)) continue;
      mkdirSync(join(root, path, '..'), { recursive: true });
      gone.push(join(root, path));
      merged.delete(path);
    }
    if (gone.length > 0)
      execFileSync('sh', ['-c', 'for path; do mknod "$path" c 0 0 || exit; done', 'sh', ...gone]);
  }
  return { names, merged };
}

/** The same merged tree whatever `count` is: file n lies in layer n % count, so most folders are in many layers. */
export function makeSame(base, count, files) {
  const names = makeRoots(base, count);
  const put = names.toReversed().map((name) => writer(join(base, name)));
  const merged = new Map();
  for (let n = 0; n < files; n++) {
    const path = `shared${n % 20}/part${Math.floor(n / 20) % 70}/file${n}`;
    const content = `file ${n}\n`;
    put[n % count](path, content);
    merged.set(path, content);
  }
  return { names, merged };
}

/** Two layers, the lower of which holds one file `big` whose bytes are really on disk. */
export function makeBig(base, size) {
  const names = makeRoots(base, 2);
  writeZeros(join(base, 'l0', 'big'), size);
  return { names, merged: new Map() };
}

/** Two layers, the lower of which holds a file `huge` on disk and LATENCY_NAMES empty ones in folders. */
export function makeLatency(base, size) {
  const names = makeRoots(base, 2);
  writeZeros(join(base, 'l0', 'huge'), size);
  const put = writer(join(base, 'l0'));
  for (let n = 0; n < LATENCY_NAMES; n++) put(`names/d${n % 100}/f${n}`, '');
  return { names, merged: new Map() };
}

function writeZeros(path, size) {
  execFileSync('sh', ['-c', 'head -c "$2" /dev/zero > "$1"', 'sh', path, String(size)]);
}

/** Files `from` to `to` of 5 bytes, a thousand in a folder, each with as few calls as it takes. */
export function makeMany(root, from, to) {
  for (let n = from; n < to; n++) {
    const folder = join(root, `t${Math.floor(n / 1_000_000)}`, `d${Math.floor(n / 1000)}`);
    if (n === from || n % 1000 === 0) mkdirSync(folder, { recursive: true });
    const fd = openSync(`${folder}/f${n}`, 'w', 0o644);
    writeFileSync(fd, 'file\n');
    closeSync(fd);
  }
}
