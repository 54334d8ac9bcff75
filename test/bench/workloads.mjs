// The workloads: each runs one ordinary command on a fresh mount, times that command alone, and checks its result.
// A workload throws if what it saw is not what the layers hold.
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

const BIG = 1 << 30;

/** Files that workloads need outside the mounts: a tar archive, and layer folders' common big file. */
export function prepareShared(base) {
  const source = join(base, 'tar-source');
  mkdirSync(source);
  for (let folder = 0; folder < 50; folder++) {
    mkdirSync(join(source, `d${folder}`));
    for (let n = 0; n < 100; n++)
      writeFileSync(join(source, `d${folder}`, `f${n}`), `content ${folder} ${n}\n`.repeat(40));
  }
  const tar = join(base, 'source.tar');
  shell('tar -C "$1" -cf "$2" .', source, tar);
  return { tar, tarFiles: 5000, big: BIG };
}

function shell(script, ...args) {
  const start = process.hrtime.bigint();
  const done = spawnSync('sh', ['-c', script, 'sh', ...args], {
    encoding: 'latin1',
    maxBuffer: 1 << 28,
    timeout: 600_000,
  });
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  if (done.status !== 0)
    throw new Error(`${script}: ${done.stderr.trim().slice(0, 200) || done.signal || done.status}`);
  return { seconds, out: done.stdout };
}

function timed(body) {
  const start = process.hrtime.bigint();
  body();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

function dropCaches() {
  shell('sync; echo 3 > /proc/sys/vm/drop_caches');
}

function assertEqual(what, seen, wanted) {
  if (seen !== wanted) throw new Error(`${what}: ${seen}, not ${wanted}`);
}

function walk(mountPoint, merged) {
  const { seconds, out } = shell('cd "$1" && find . -type f -printf "%P %s\\n"', mountPoint);
  const lines = out.split('\n').filter((line) => line !== '');
  assertEqual('files walked', lines.length, merged.size);
  for (const line of lines) {
    const space = line.lastIndexOf(' ');
    assertEqual(
      `size of ${line.slice(0, space)}`,
      Number(line.slice(space + 1)),
      merged.get(line.slice(0, space))?.length,
    );
  }
  return seconds;
}

function readAll(mountPoint, merged) {
  const { seconds, out } = shell('cd "$1" && find . -type f -print0 | xargs -0 cat | cksum', mountPoint);
  let bytes = 0;
  for (const content of merged.values()) bytes += content.length;
  assertEqual('bytes read', Number(out.split(' ')[1]), bytes);
  return seconds;
}

const cold = (body) => (given) => {
  dropCaches();
  return body(given.mountPoint, given.merged);
};
const warm = (body) => (given) => {
  body(given.mountPoint, given.merged);
  return body(given.mountPoint, given.merged);
};

function untar({ mountPoint, shared }) {
  const at = join(mountPoint, 'untar');
  mkdirSync(at);
  const { seconds } = shell('tar -C "$1" -xf "$2"', at, shared.tar);
  assertEqual('files unpacked', Number(shell('find "$1" -type f | wc -l', at).out), shared.tarFiles);
  assertEqual('content', readFileSync(join(at, 'd7/f42'), 'utf8'), 'content 7 42\n'.repeat(40));
  return seconds;
}

function removeAll({ mountPoint }) {
  const { seconds } = shell('cd "$1" && rm -r shared*', mountPoint);
  assertEqual('entries left', Number(shell('ls -A "$1" | wc -l', mountPoint).out), 0);
  return seconds;
}

function copyUpSmall({ mountPoint, merged }) {
  const paths = [...merged.keys()].slice(0, 2000);
  const seconds = timed(() => {
    for (const path of paths) {
      const fd = openSync(join(mountPoint, path), 'a');
      writeSync(fd, '!');
      closeSync(fd);
    }
  });
  for (const path of paths)
    assertEqual(`content of ${path}`, readFileSync(join(mountPoint, path), 'utf8'), `${merged.get(path)}!`);
  return seconds;
}

function bigWrite({ mountPoint, shared }) {
  const path = join(mountPoint, 'big');
  const { seconds } = shell('dd if=/dev/zero of="$1" bs=1M count=1024 conv=fsync 2>/dev/null', path);
  assertEqual('size', statSync(path).size, shared.big);
  return seconds;
}

function bigRead({ mountPoint, shared }) {
  const path = join(mountPoint, 'big');
  shell('head -c "$2" /dev/zero > "$1"', path, String(shared.big));
  dropCaches();
  const { seconds, out } = shell('dd if="$1" bs=1M 2>/dev/null | wc -c', path);
  assertEqual('bytes read', Number(out), shared.big);
  return seconds;
}

function randomIo({ mountPoint }) {
  const path = join(mountPoint, 'random');
  shell('head -c 67108864 /dev/zero > "$1"', path);
  const page = Buffer.alloc(4096, 7);
  const fd = openSync(path, 'r+');
  try {
    const seconds = timed(() => {
      for (let n = 0; n < 8000; n++) {
        const at = ((n * 7919) % 16384) * 4096;
        if (n % 2 === 0) writeSync(fd, page, 0, 4096, at);
        else readSync(fd, page, 0, 4096, at);
      }
    });
    readSync(fd, page, 0, 1, 0);
    assertEqual('byte written', page[0], 7);
    return seconds;
  } finally {
    closeSync(fd);
  }
}

export const WORKLOADS = [
  { name: 'cold walk, 40 layers', layers: 40, run: cold(walk) },
  { name: 'warm walk, 40 layers', layers: 40, run: warm(walk) },
  { name: 'cold read of small files', layers: 40, run: cold(readAll) },
  { name: 'warm read of small files', layers: 40, run: warm(readAll) },
  { name: 'cold walk, 2 layers', layers: 2, run: cold(walk) },
  { name: 'cold walk, 200 layers', layers: 200, run: cold(walk) },
  { name: 'untar 5,000 files', layers: 2, run: untar },
  { name: 'rm -r, 40 layers', layers: 40, run: removeAll },
  { name: 'copy-up of 2,000 small files', layers: 2, run: copyUpSmall },
  { name: 'copy-up of a 1 GiB file', layers: 'big', run: copyUpBig },
  { name: 'sequential write, 1 GiB', layers: 2, run: bigWrite },
  { name: 'sequential read, 1 GiB', layers: 2, run: bigRead },
  { name: 'random 4 KiB reads and writes', layers: 2, run: randomIo },
];

function copyUpBig({ mountPoint, shared }) {
  const path = join(mountPoint, 'big');
  const seconds = timed(() => {
    const fd = openSync(path, 'r+');
    writeSync(fd, 'changed', 0);
    closeSync(fd);
  });
  const { out } = shell('head -c 8 "$1" | od -An -c', path);
  assertEqual('first bytes', out.replace(/\s+/g, ''), 'changed\\0');
  assertEqual('size', statSync(path).size, shared.big);
  return seconds;
}
