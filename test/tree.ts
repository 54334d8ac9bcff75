// What a folder holds, seen with plain file calls and getfattr, as one line an entry: an independent witness for
// tests that compare a mount, an unpacked image and what another program made of it.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';

const chunk = Buffer.alloc(1 << 20);

function contentDigest(path: Buffer): string {
  const hash = createHash('sha256');
  const fd = openSync(path, 'r');
  try {
    for (;;) {
      const count = readSync(fd, chunk);
      if (count === 0) return hash.digest('hex');
      hash.update(chunk.subarray(0, count));
    }
  } finally {
    closeSync(fd);
  }
}

/** getfattr's dump as a map from path (as it prints it) to sorted `name=0xhex` words. */
function xattrs(root: string): Map<string, string> {
  const dump = execFileSync('getfattr', ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '.'], {
    cwd: root,
    encoding: 'latin1',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const found = new Map<string, string>();
  for (const block of dump.split('\n\n')) {
    const lines = block.split('\n').filter((line) => line !== '');
    const head = lines.shift();
    if (head === undefined) continue;
    // Odd bytes are printed as \ooo.
    const path = head
      .replace(/^# file: /, '')
      .replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    found.set(
      path,
      lines
        .filter((line) => !line.startsWith('trusted.overlay.'))
        .sort()
        .join(' '),
    );
  }
  return found;
}

export interface TreeOptions {
  /** Compare times of folders too. */
  readonly folderTimes?: boolean;
  /** Numbers of owners are left out (an ordinary user cannot set them). */
  readonly withoutOwners?: boolean;
}

/** Every entry below `root` but the root itself: path (bytes as latin1) to a line of all that must be equal. */
export function listTree(root: string, options: TreeOptions = {}): Map<string, string> {
  const attributes = xattrs(root);
  const entries = new Map<string, string>();
  const groups = new Map<string, string[]>();
  const walk = (dir: string): void => {
    const at = Buffer.concat([Buffer.from(root), Buffer.from(`/${dir}`, 'latin1')]);
    const names = readdirSync(at, { encoding: 'buffer' }).map((name) => name.toString('latin1'));
    for (const name of names.sort()) {
      const path = dir === '' ? name : `${dir}/${name}`;
      const full = Buffer.concat([Buffer.from(root), Buffer.from(`/${path}`, 'latin1')]);
      const stat = lstatSync(full, { bigint: true });
      const words = [`mode=${stat.mode.toString(8)}`];
      if (!options.withoutOwners) words.push(`owner=${stat.uid}:${stat.gid}`);
      if (!stat.isDirectory() || options.folderTimes) words.push(`mtime=${stat.mtimeNs}`);
      if (stat.isCharacterDevice() || stat.isBlockDevice()) words.push(`rdev=${stat.rdev}`);
      if (stat.isSymbolicLink())
        words.push(`target=${readlinkSync(full, { encoding: 'buffer' }).toString('latin1')}`);
      if (stat.isFile()) words.push(`size=${stat.size}`, `content=${contentDigest(full)}`);
      if (!stat.isDirectory() && stat.nlink > 1n) {
        const key = `${stat.dev}:${stat.ino}`;
        groups.set(key, [...(groups.get(key) ?? []), path]);
      }
      const extra = attributes.get(path) ?? attributes.get(`./${path}`);
      if (extra) words.push(`xattrs=${extra}`);
      entries.set(path, words.join(' '));
      if (stat.isDirectory()) walk(path);
    }
  };
  walk('');
  // Names that are one file. Not st_nlink: in a union it also counts names of a lower layer that upper layers hide,
  // as the kernel's overlayfs does.
  for (const names of groups.values()) {
    if (names.length > 1)
      for (const name of names) entries.set(name, `${entries.get(name)} one-with=${names[0]}`);
  }
  return entries;
}

/** The differences of two listings, a line each; empty if they are equal. */
export function treeDifferences(seen: Map<string, string>, wanted: Map<string, string>): string[] {
  const lines: string[] = [];
  for (const [path, line] of wanted) {
    const other = seen.get(path);
    if (other === undefined) lines.push(`missing: ${path}`);
    else if (other !== line) lines.push(`${path}\n  is     ${other}\n  wanted ${line}`);
  }
  for (const path of seen.keys()) if (!wanted.has(path)) lines.push(`too many: ${path}`);
  return lines;
}
