// `depth`: time against the number of layers that the same files lie in. `scale`: time, and memory of the server,
// against the number of files. Both are asked for by their word only, because they take long to set up.
import { assertEqual, shell } from './measure.mjs';
import { walk } from './reading.mjs';

const DEPTHS = [1, 2, 5, 10, 20, 40, 80, 160, 200];
/** Files of a chain's first layers together; each step is a layer on top of the one before. */
export const SCALES = [1_000, 10_000, 100_000, 300_000, 1_000_000];
const MILLION = SCALES.at(-1);

function countedWalk({ mountPoint, files, memory }) {
  const { seconds, out } = shell('cd "$1" && find . -type f -printf "%s\\n" | sort | uniq -c', mountPoint);
  assertEqual('files and their size', out.trim(), `${files} 5`);
  const { resident, own } = memory?.() ?? {};
  return { seconds, resident, own };
}

const depth = DEPTHS.map((layers) => ({
  name: `depth ${layers}`,
  series: { name: 'depth', x: layers },
  fixture: `same-${layers}`,
  caches: 'inodes',
  only: ['view', 'kernel', 'fuse-overlayfs'],
  run: walk,
}));

const scale = SCALES.map((files) => ({
  name: `scale ${files}`,
  series: { name: 'scale', x: files },
  fixture: `scale-${files}`,
  caches: 'inodes',
  only: ['view', 'kernel', 'fuse-overlayfs'],
  run: countedWalk,
  measures: {
    seconds: [],
    resident: { unit: 'MiB' },
    own: { unit: 'MiB', targets: files === MILLION ? [{ ours: 'view', atMost: 150 }] : [] },
  },
}));

export const SERIES = [...depth, ...scale];
