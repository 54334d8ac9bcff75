// Workloads that change nothing: walks, and reading many small files.
import { assertEqual, median, shell } from './measure.mjs';

export function walk({ mountPoint, merged }) {
  const { seconds, out } = shell('cd "$1" && find . -type f -printf "%s %m %P\\n"', mountPoint);
  const lines = out.split('\n').filter((line) => line !== '');
  assertEqual('files walked', lines.length, merged.size);
  for (const line of lines) {
    const [size, mode, path] = line.split(' ');
    assertEqual(`size of ${path}`, Number(size), merged.get(path)?.length);
    assertEqual(`mode of ${path}`, mode, '644');
  }
  return { seconds };
}

function grep({ mountPoint, merged }) {
  const { seconds, out } = shell('cd "$1" && grep -rl "^layer 1 " . | sort', mountPoint);
  const wanted = [...merged].filter(([, content]) => content.startsWith('layer 1 ')).length;
  assertEqual('files found', out.split('\n').length - 1, wanted);
  return { seconds };
}

/** One run with full caches takes some tenths of a second, and by itself tells little. */
const RUNS = 3;

/**
 * All caches full. Twice before those that count: on a writable mount the second run still asks for the times of
 * access that the first one changed.
 */
const warm = (body) => (given) => {
  body(given);
  body(given);
  return { seconds: median(Array.from({ length: RUNS }, () => body(given).seconds)) };
};

/** The walk, and what the server of the mount then has of memory (MiB). */
const walkAndMemory = (given) => ({ ...warm(walk)(given), memory: given.memory?.().resident });

const least = (atMost) => [
  { ours: 'store', than: 'kernel', atMost },
  { ours: 'view', than: 'kernel', atMost },
];

export const READING = [
  {
    name: 'cold walk, 40 layers',
    fixture: '40',
    caches: 'inodes',
    run: walk,
    measures: { seconds: least(0.4) },
  },
  {
    name: 'disk-cold walk, 40 layers',
    fixture: '40',
    caches: 'disk',
    run: walk,
    measures: { seconds: least(0.4) },
  },
  {
    name: 'warm walk, 40 layers',
    fixture: '40',
    run: walkAndMemory,
    measures: {
      seconds: least(0.4),
      memory: { unit: 'MiB', targets: [{ ours: 'store', atMost: 90 }] },
    },
  },
  {
    name: 'cold walk, same files in 2 layers',
    fixture: 'same-2',
    caches: 'inodes',
    run: walk,
  },
  {
    name: 'cold walk, same files in 200 layers',
    fixture: 'same-200',
    caches: 'inodes',
    run: walk,
    measures: {
      seconds: ['view', 'store'].map((ours) => ({
        ours,
        than: ours,
        of: 'cold walk, same files in 2 layers',
        atMost: 1.2,
      })),
    },
  },
  {
    name: 'cold walk, kernel driver',
    fixture: '40',
    caches: 'inodes',
    only: ['driver', 'kernel'],
    run: walk,
    measures: { seconds: [{ ours: 'driver', than: 'kernel', atMost: 0.3 }] },
  },
  { name: 'cold grep -r', fixture: '40', caches: 'inodes', run: grep, measures: { seconds: least(1.6) } },
  {
    name: 'warm grep -r',
    fixture: '40',
    run: warm(grep),
    measures: {
      seconds: [
        { ours: 'view', than: 'kernel', atMost: 0.8 },
        { ours: 'store', than: 'kernel', atMost: 1.2 },
      ],
    },
  },
];
