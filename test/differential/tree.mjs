// Two trees side by side: all that a program can see of each entry, and the differences.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { sys } from '../../dist/fs/index.js';
import { except } from './exceptions.mjs';
import { isNoLarger, runsAreTrue, runsOf } from './holes.mjs';
import { listing } from './observe.mjs';
import { world } from './world.mjs';

/** Clocks differ by the time between the two calls; what is further apart was not set by the same call. */
const SAME_TIME_NS = 5_000_000_000n;

/** Longer contents are compared by their digest. */
const LONG = 1000;
/** So much of a difference is shown, and so much of what comes before it. */
const SHOWN = 300;
const AROUND = 20;

function xattrsOf(dir, name) {
  return [...sys.listXattrsAt(dir, name)]
    .sort()
    .map((key) => `${key}=${Buffer.from(sys.getXattrAt(dir, name, key) ?? []).toString('hex')}`);
}

/** Short files as they are, long ones by their digest. */
function contentOf(bytes) {
  return bytes.length <= LONG ? bytes.toString('latin1') : createHash('sha1').update(bytes).digest('hex');
}

/** path -> what is there. `root` is a mount point. */
export function treeOf(root) {
  const entries = new Map();
  const visit = (dir) => {
    const fd = fs.openSync(`${root}/${dir}`, fs.constants.O_RDONLY);
    try {
      const lines = listing(fd, `${root}/${dir}`);
      for (const line of lines) {
        const [name] = line.split(' ');
        const path = `${dir}${name}`;
        const full = `${root}/${path}`;
        const stat = fs.lstatSync(full, { bigint: true });
        const bytes = stat.isFile() ? fs.readFileSync(full) : undefined;
        const data = stat.isFile() ? runsOf(full, Number(stat.size)) : undefined;
        entries.set(path, {
          line,
          mode: stat.mode.toString(8),
          owner: `${stat.uid}:${stat.gid}`,
          rdev: stat.isDirectory() || stat.isFile() ? undefined : `${stat.rdev}`,
          nlink: Number(stat.nlink),
          folder: stat.isDirectory(),
          size: stat.isDirectory() ? undefined : Number(stat.size),
          blocks: stat.blocks,
          content: bytes && contentOf(bytes),
          data,
          hidden: data !== undefined && !runsAreTrue(data, bytes),
          target: stat.isSymbolicLink() ? fs.readlinkSync(full) : undefined,
          xattrs: xattrsOf(fd, name),
          mtime: stat.mtimeNs,
          ino: stat.ino,
          dev: stat.dev,
          markable: stat.isDirectory() || stat.isFile(),
        });
        if (stat.isDirectory()) visit(`${path}/`);
      }
    } finally {
      fs.closeSync(fd);
    }
  };
  visit('');
  return entries;
}

const distance = (a, b) => (a > b ? a - b : b - a);

/** Two texts from where they begin to differ, for a line; undefined if they are the same. */
function parted(one, other) {
  const [x, y] = [JSON.stringify(one), JSON.stringify(other)];
  if (x === y) return undefined;
  let at = 0;
  while (at < x?.length && x[at] === y?.[at]) at++;
  return [x, y].map((text) => (at < AROUND ? '' : '…') + text?.slice(Math.max(0, at - AROUND), at + SHOWN));
}

/** Lines that tell how tree `a` differs from `b`. */
export function differences(a, b) {
  const lines = [];
  for (const path of new Set([...a.keys(), ...b.keys()])) {
    const [one, other] = [a.get(path), b.get(path)];
    if (one === undefined || other === undefined) {
      lines.push(`${path}: only in ${one === undefined ? 'theirs' : 'ours'}`);
      continue;
    }
    if (one.line !== other.line && one.line === other.line.replace(/other$/, 'same')) {
      except('d-ino');
      other.line = one.line;
    }
    if (one.nlink !== other.nlink && one.folder && other.nlink === 1) {
      except('folder-nlink');
      other.nlink = one.nlink;
    }
    if (one.hidden) lines.push(`${path}: ours has data where it tells of a hole`);
    if (!isAlike(one, other))
      lines.push(`${path}: data is at ${one.data} in ours and at ${other.data} in theirs`);
    for (const key of ['line', 'mode', 'owner', 'rdev', 'nlink', 'size', 'content', 'target', 'xattrs']) {
      const [x, y] = parted(one[key], other[key]) ?? [];
      if (x !== y) lines.push(`${path}: ${key} is ${x} in ours and ${y} in theirs`);
    }
    if (distance(one.mtime, other.mtime) > SAME_TIME_NS) {
      lines.push(`${path}: mtime is ${one.mtime} in ours and ${other.mtime} in theirs`);
    }
  }
  lines.push(...miscounted(a), ...unpaired(a, b));
  const devices = new Set([...a.values()].map((entry) => entry.dev));
  if (devices.size > 1) lines.push('ours has more than one st_dev');
  return lines;
}

/** Folders whose link count is not 2 and their subfolders: ours must count, overlayfs shows 1 for merged ones. */
function miscounted(entries) {
  const subfolders = new Map();
  for (const [path, { folder }] of entries) {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    if (folder) subfolders.set(parent, (subfolders.get(parent) ?? 0) + 1);
  }
  return [...entries]
    .filter(([path, { folder, nlink }]) => folder && nlink !== 2 + (subfolders.get(path) ?? 0))
    .map(
      ([path, { nlink }]) => `${path}: ${nlink} links for ${subfolders.get(path) ?? 0} subfolders in ours`,
    );
}

/** Whether data lies at the same places, or the difference is one that two right filesystems may have. */
function isAlike(one, other) {
  const [ours, theirs] = [one.data, other.data];
  if (`${ours}` === `${theirs}`) return true;
  if (ours === undefined || theirs === undefined) return false;
  const within = (some, all) =>
    some.every(([start, end]) => all.some(([from, to]) => from <= start && end <= to));
  const filled = within(ours, theirs) || (world.swapped && within(theirs, ours));
  except(filled ? 'holes' : 'unwritten');
  return filled || isNoLarger(one, other);
}

/** Link counts without an index, of files that have names in a lower layer which another layer hides. */
export function withoutHiddenNames(ours, theirs) {
  const names = new Map();
  for (const { ino } of ours.values()) names.set(ino, (names.get(ino) ?? 0) + 1);
  for (const [path, { ino, nlink, folder }] of ours) {
    const other = theirs.get(path);
    if (folder || other === undefined || nlink === other.nlink || nlink === names.get(ino)) continue;
    except('hidden-names');
    other.nlink = nlink;
  }
}

/** Names that are one file on one side must be one file on the other. */
function unpaired(a, b) {
  const lines = [];
  const there = new Map();
  const back = new Map();
  for (const [path, one] of a) {
    const other = b.get(path);
    if (other === undefined) continue;
    const pair = there.get(one.ino) ?? other.ino;
    const mate = back.get(other.ino) ?? one.ino;
    if (pair !== other.ino && mate === one.ino && !world.index) except('no-index');
    else if (pair !== other.ino || mate !== one.ino)
      lines.push(`${path}: is one file with other names on one side only`);
    there.set(one.ino, other.ino);
    back.set(other.ino, one.ino);
  }
  return lines;
}

/** Paths of a side whose number is not what it was. */
export function renumbered(before, after) {
  const moved = [...after].filter(([path, { ino }]) => before.has(path) && before.get(path).ino !== ino);
  const told = world.marks === 'trusted' ? moved : moved.filter(([, { markable }]) => markable);
  if (told.length < moved.length) except('unmarkable');
  return told.map(([path]) => path);
}
