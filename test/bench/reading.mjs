// Workloads that change nothing: walks, and reading many small files.
import { assertEqual, dropCaches, shell } from './measure.mjs';

function walk({ mountPoint, merged }) {
  const { seconds, out } = shell('cd "$1" && find . -type f -printf "%s %m %P\\n"', mountPoint);
  const lines = out.split('\n').filter((line) => line !== '');
  assertEqual('files walked', lines.length, merged.size);
  for (const line of lines) {
    const [size, mode, path] = line.split(' ');
    assertEqual(`size of ${path}`, Number(size), merged.get(path)?.length);
    assertEqual(`mode of ${path}`, mode, '644');
  }
  return seconds;
}

function grep({ mountPoint, merged }) {
  const { seconds, out } = shell('cd "$1" && grep -rl "^layer 1 " . | sort', mountPoint);
  const wanted = [...merged].filter(([, content]) => content.startsWith('layer 1 ')).length;
  assertEqual('files found', out.split('\n').length - 1, wanted);
  return seconds;
}

const cold = (body, what) => (given) => {
  dropCaches(what);
  return body(given);
};
const warm = (body) => (given) => {
  body(given);
  return body(given);
};

const least = (atMost) => [
  { ours: 'store', than: 'kernel', atMost },
  { ours: 'view', than: 'kernel', atMost },
];

export const READING = [
  { name: 'cold walk, 40 layers', fixture: 40, run: cold(walk, 'inodes'), targets: least(0.4) },
  { name: 'disk-cold walk, 40 layers', fixture: 40, run: cold(walk, 'disk'), targets: least(0.4) },
  { name: 'warm walk, 40 layers', fixture: 40, run: warm(walk), targets: least(0.4) },
  { name: 'cold walk, 2 layers', fixture: 2, run: cold(walk, 'inodes') },
  { name: 'cold walk, 200 layers', fixture: 200, run: cold(walk, 'inodes'), targets: least(0.4) },
  { name: 'cold grep -r', fixture: 40, run: cold(grep, 'inodes'), targets: least(1.6) },
  {
    name: 'warm grep -r',
    fixture: 40,
    run: warm(grep),
    targets: [
      { ours: 'view', than: 'kernel', atMost: 0.8 },
      { ours: 'store', than: 'kernel', atMost: 1.2 },
    ],
  },
];
