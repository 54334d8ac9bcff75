// Workloads on one file of 1 GiB, and random access in one of 64 MiB.
import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { BIG } from './fixture.mjs';
import { assertEqual, shell, timed } from './measure.mjs';

function oneByte({ mountPoint }) {
  const path = join(mountPoint, 'big');
  const seconds = timed(() => {
    const fd = openSync(path, 'r+');
    writeSync(fd, '!', 12345);
    closeSync(fd);
  });
  const { out } = shell('tail -c +12345 "$1" | head -c 3 | od -An -c', path);
  assertEqual('bytes around', out.replace(/\s+/g, ''), '\\0!\\0');
  assertEqual('size', statSync(path).size, BIG);
  return seconds;
}

function diskOfOneByte(given) {
  oneByte(given);
  return Number(shell('du -s --block-size=1K "$1" | cut -f1', given.upper).out) / 1024;
}

function write({ mountPoint }) {
  const path = join(mountPoint, 'new');
  const { seconds } = shell('dd if=/dev/zero of="$1" bs=1M count=1024 2>/dev/null', path);
  assertEqual('size', statSync(path).size, BIG);
  return seconds;
}

const read = (name) => (given) => {
  const path = join(given.mountPoint, name);
  if (name === 'new') write(given);
  const dd = () => shell('dd if="$1" of=/dev/null bs=1M 2>&1', path);
  dd();
  const { seconds, out } = dd();
  assertEqual('bytes read', Number(out.match(/(\d+) bytes/)?.[1]), BIG);
  return seconds;
};

const random = (kind) => (given) => {
  const path = join(given.mountPoint, 'random');
  shell('head -c 67108864 /dev/zero > "$1"', path);
  const page = Buffer.alloc(4096, 7);
  const fd = openSync(path, 'r+');
  try {
    const seconds = timed(() => {
      for (let n = 0; n < 32_000; n++) {
        const at = ((n * 7919) % 16384) * 4096;
        if (kind === 'write') writeSync(fd, page, 0, 4096, at);
        else readSync(fd, page, 0, 4096, at);
      }
    });
    readSync(fd, page, 0, 1, 0);
    assertEqual('first byte', page[0], kind === 'write' ? 7 : 0);
    return seconds;
  } finally {
    closeSync(fd);
  }
};

const not = ['view'];
const near = (kernel) => [{ ours: 'micafs', than: 'kernel', atMost: kernel }];

export const BIG_FILES = [
  {
    name: 'one byte into a 1 GiB file',
    fixture: 'big',
    run: oneByte,
    not,
    targets: [{ ours: 'micafs', atMost: 0.01 }],
  },
  {
    name: 'disk used by that byte',
    unit: 'MiB',
    fixture: 'big',
    run: diskOfOneByte,
    not,
    targets: [{ ours: 'micafs', atMost: 1 }],
  },
  {
    // A lower file of a writable mount goes through the kernel's cache alone: a copy-up may take its place.
    name: 'sequential read, 1 GiB, warm',
    fixture: 'big',
    run: read('big'),
    targets: [{ ours: 'view', than: 'kernel', atMost: 1.1 }],
  },
  {
    name: 'sequential read of a written file, 1 GiB, warm',
    fixture: 2,
    run: read('new'),
    not,
    targets: near(1.1),
  },
  { name: 'sequential write, 1 GiB', fixture: 2, run: write, not, targets: near(1.2) },
  { name: 'random 4 KiB reads', fixture: 2, run: random('read'), not, targets: near(1.1) },
  { name: 'random 4 KiB writes', fixture: 2, run: random('write'), not, targets: near(1.1) },
];
