// Prints all that a program can see of the tree in the working folder, as JSON: path (bytes as latin1) to one line.
// Run as whoever may look at the mount; getfattr is a witness that shares no code with ours.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** getfattr's dump of everything: path (as it prints it) to sorted `name=0xhex` words. */
function xattrs() {
  const dump = execFileSync('getfattr', ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '.'], {
    encoding: 'latin1',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const found = new Map();
  for (const block of dump.split('\n\n')) {
    const lines = block.split('\n').filter((line) => line !== '');
    const head = lines.shift();
    if (head === undefined) continue;
    // Odd bytes are printed as \ooo.
    const path = head
      .replace(/^# file: /, '')
      .replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
    found.set(path, lines.sort().join(' '));
  }
  return found;
}

/** What reading gives, or the error's name. */
function tried(read) {
  try {
    return read();
  } catch (error) {
    return error.code;
  }
}

const attributes = xattrs();
const entries = {};
const files = new Map();

function put(path) {
  const full = Buffer.from(path === '' ? '.' : `./${path}`, 'latin1');
  const stat = lstatSync(full, { bigint: true });
  const words = [stat.mode.toString(8), `${stat.uid}:${stat.gid}`, `mtime=${stat.mtimeNs}`];
  if (stat.isCharacterDevice() || stat.isBlockDevice()) words.push(`rdev=${stat.rdev}`);
  if (stat.isSymbolicLink()) words.push(`-> ${readlinkSync(full, 'latin1')}`);
  if (stat.isFile()) {
    const digest = () => createHash('sha256').update(readFileSync(full)).digest('hex').slice(0, 12);
    words.push(`size=${stat.size}`, `content=${tried(digest)}`);
    if (stat.blocks * 512n < stat.size) words.push('holes');
  }
  // Links of folders are counted differently by each reader.
  if (!stat.isDirectory()) {
    words.push(`links=${stat.nlink}`);
    const one = files.get(stat.ino);
    if (one !== undefined) words.push(`one-with=${one}`);
    else files.set(stat.ino, path);
  }
  const extra = attributes.get(path === '' ? '.' : path) ?? attributes.get(`./${path}`);
  if (extra) words.push(extra);
  entries[path] = words.join(' ');
  if (!stat.isDirectory()) return;
  const names = tried(() => readdirSync(full, 'latin1'));
  if (!Array.isArray(names)) entries[path] += ` ${names}`;
  else for (const name of names.sort()) put(path === '' ? name : `${path}/${name}`);
}

put('');
process.stdout.write(JSON.stringify(entries));
