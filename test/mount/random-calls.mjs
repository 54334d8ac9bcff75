// Makes random file calls in a folder and prints what each answered, so that two folders can be compared:
// `random-calls.mjs FOLDER SEED COUNT`. Files stay open over many calls, also when their names go.

import fs from 'node:fs';

const [folder, seed, count] = process.argv.slice(2);
process.chdir(folder);

/** mulberry32: the same numbers for the same seed everywhere. */
let state = Number(seed);
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const pick = (list) => list[Math.floor(random() * list.length)];
const path = () =>
  Array.from({ length: pick([1, 1, 1, 2, 2, 3]) }, () => pick(['a', 'b', 'c', 'd'])).join('/');

const open = [];
const shown = (stat) => [stat.mode.toString(8), ...(stat.isDirectory() ? [] : [stat.nlink, stat.size])];

/** Each takes two paths, some bytes and a number from 0 to 1. */
const CALLS = {
  mkdir: (a) => fs.mkdirSync(a),
  write: (a, _b, data) => fs.writeFileSync(a, data),
  append: (a, _b, data) => fs.appendFileSync(a, data, { flag: 'a' }),
  unlink: (a) => fs.unlinkSync(a),
  rmdir: (a) => fs.rmdirSync(a),
  rmtree: (a) => fs.rmSync(a, { recursive: true }),
  rename: (a, b) => fs.renameSync(a, b),
  move: (a, b) => fs.renameSync(a, b),
  link: (a, b) => fs.linkSync(a, b),
  symlink: (a, b) => fs.symlinkSync(`${b}x`, a),
  chmod: (a, _b, data) => fs.chmodSync(a, 0o600 + data.length),
  truncate: (a, _b, data) => fs.truncateSync(a, data.length * 2),
  stat: (a) => shown(fs.lstatSync(a)),
  open: (a, _b, _data, which) => open.push(fs.openSync(a, which < 0.5 ? 'r' : 'r+')),
  fdwrite: (_a, _b, data, which) => open.length && fs.writeSync(at(which), data, 0, data.length, 5),
  fdread: (_a, _b, _data, which) => open.length && readOpen(at(which)),
  close: (_a, _b, _data, which) =>
    open.length && fs.closeSync(open.splice(Math.floor(which * open.length), 1)[0]),
};

function at(which) {
  return open[Math.floor(which * open.length)];
}

function readOpen(fd) {
  const stat = fs.fstatSync(fd);
  if (stat.isDirectory()) return ['folder', stat.nlink === 0];
  const into = Buffer.alloc(100);
  return [...shown(stat), into.subarray(0, fs.readSync(fd, into, 0, 100, 0)).toString()];
}

function tree(dir) {
  return fs
    .readdirSync(dir)
    .sort()
    .flatMap((name) => {
      const at = `${dir}/${name}`;
      const stat = fs.lstatSync(at);
      if (stat.isDirectory()) return [[at, ...shown(stat)], ...tree(at)];
      return [
        [at, ...shown(stat), stat.isSymbolicLink() ? fs.readlinkSync(at) : fs.readFileSync(at, 'utf8')],
      ];
    });
}

for (let i = 0; i < Number(count); i++) {
  const call = pick(Object.keys(CALLS));
  const [a, b, which] = [path(), path(), random()];
  const data = Buffer.alloc(Math.floor(random() * 20), 65 + (i % 26));
  let answer;
  try {
    answer = CALLS[call](a, b, data, which) ?? 'done';
  } catch (error) {
    answer = error.code;
  }
  const told = call === 'open' && typeof answer === 'number' ? 'open' : answer;
  process.stdout.write(`${JSON.stringify([i, call, a, b, told])}\n`);
  if (i % 100 === 99) process.stdout.write(`${JSON.stringify(tree('.'))}\n`);
}
