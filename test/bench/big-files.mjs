// Workloads on one file of 1 GiB, and random access in one of 64 MiB.
import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { assertEqual, median, shell, timed } from './measure.mjs';

/** The time of it, and how much of the upper's disk (MiB) it takes. */
function oneByte({ mountPoint, sizes, upper }) {
  const path = join(mountPoint, 'big');
  const seconds = timed(() => {
    const fd = openSync(path, 'r+');
    writeSync(fd, '!', 12345);
    closeSync(fd);
  });
  const { out } = shell('tail -c +12345 "$1" | head -c 3 | od -An -c', path);
  assertEqual('bytes around', out.replace(/\s+/g, ''), '\\0!\\0');
  assertEqual('size', statSync(path).size, sizes.big);
  const disk = Number(shell('du -s --block-size=1K "$1" | cut -f1', upper).out) / 1024;
  return { seconds, disk };
}

function write({ mountPoint, sizes }) {
  const path = join(mountPoint, 'new');
  const { seconds } = shell(`dd if=/dev/zero of="$1" bs=1M count=${sizes.big >> 20} 2>/dev/null`, path);
  assertEqual('size', statSync(path).size, sizes.big);
  assertEqual('bytes that are no zero', shell('head -c 8388608 "$1" | tr -d "\\0" | wc -c', path).out, '0\n');
  return { seconds };
}

/** A machine that gives memory for the first time pays for it, so that one writing by itself tells of its past. */
const WRITINGS = 5;

function writeAgain(given) {
  const again = () => {
    // A server gives back what a removed file took when nobody asks for anything.
    shell('rm -f "$1"; sleep 0.5', join(given.mountPoint, 'new'));
    return write(given).seconds;
  };
  again();
  return { seconds: median(Array.from({ length: WRITINGS }, again)) };
}

/** One reading takes less than a tenth of a second, and by itself tells little. */
const READINGS = 7;

const read = (name) => (given) => {
  const path = join(given.mountPoint, name);
  if (name === 'new') write(given);
  const dd = () => {
    const { seconds, out } = shell('dd if="$1" of=/dev/null bs=1M 2>&1', path);
    assertEqual('bytes read', Number(out.match(/(\d+) bytes/)?.[1]), given.sizes.big);
    return seconds;
  };
  dd();
  dd();
  return { seconds: median(Array.from({ length: READINGS }, dd)) };
};

const PAGES = 16_384;
/** 7919 and PAGES have no common divisor, so that 16,384 steps meet every page once. */
const pageOf = (step) => (step * 7919) % PAGES;

/** Each page of the file begins with its own number; those that were written, with that plus one. */
const random = (kind) => (given) => {
  const path = join(given.mountPoint, 'random');
  const page = Buffer.alloc(4096, 7);
  const fd = openSync(path, 'w+');
  try {
    for (let n = 0; n < PAGES; n++) {
      page.writeUInt32LE(n);
      writeSync(fd, page, 0, 4096, n * 4096);
    }
    let wrong = 0;
    const seconds = timed(() => {
      for (let step = 0; step < 32_000; step++) {
        const n = pageOf(step);
        if (kind === 'write') {
          page.writeUInt32LE(n + 1);
          writeSync(fd, page, 0, 4096, n * 4096);
        } else {
          readSync(fd, page, 0, 4096, n * 4096);
          if (page.readUInt32LE() !== n) wrong++;
        }
      }
    });
    for (let n = 0; n < PAGES; n += 61) {
      readSync(fd, page, 0, 4096, n * 4096);
      if (page.readUInt32LE() !== (kind === 'write' ? n + 1 : n)) wrong++;
    }
    assertEqual('wrong pages', wrong, 0);
    return { seconds };
  } finally {
    closeSync(fd);
  }
};

const not = ['view'];
const near = (kernel) => [{ ours: 'micafs', than: 'kernel', atMost: kernel }];
const asUser = (atMost) => ({ ours: 'user:micafs', than: 'user:fuse-overlayfs', atMost });

export const BIG_FILES = [
  {
    name: 'one byte into a 1 GiB lower file',
    fixture: 'big',
    run: oneByte,
    not,
    measures: {
      seconds: [{ ours: 'micafs', atMost: 0.01 }],
      disk: { unit: 'MiB', targets: [{ ours: 'micafs', atMost: 1 }] },
    },
  },
  {
    // A lower file of a writable mount goes through the kernel's cache alone: a copy-up may take its place.
    name: 'sequential read, 1 GiB, warm',
    fixture: 'big',
    run: read('big'),
    measures: { seconds: [{ ours: 'view', than: 'kernel', atMost: 1.1 }, asUser(0.9)] },
  },
  {
    name: 'sequential read of a written file, 1 GiB, warm',
    fixture: '2',
    run: read('new'),
    not,
    measures: { seconds: [...near(1.1), asUser(0.9)] },
  },
  {
    name: 'sequential write, 1 GiB',
    fixture: '2',
    run: writeAgain,
    not,
    measures: { seconds: [...near(1.2), asUser(1)] },
  },
  { name: 'random 4 KiB reads', fixture: '2', run: random('read'), not, measures: { seconds: near(1.1) } },
  { name: 'random 4 KiB writes', fixture: '2', run: random('write'), not, measures: { seconds: near(1.1) } },
];
