import { chmodSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromText, sys } from '../../../fs/index.js';
import { measureTree } from '../../../src/mounts/usage.js';
import { removeTree } from '../../../src/snapshots/folders.js';

const LONG = 'd'.repeat(200);
/** Folders in each other, whose paths together are three times as long as a system call takes. */
const DEPTH = Math.ceil((3 * sys.PATH_MAX) / LONG.length);

/** Makes them below `path`, each with a file whose name is no UTF-8. */
function makeDeep(path: string): void {
  let fd = sys.openAt(sys.AT_FDCWD, fromText(path), sys.O_RDONLY | sys.O_DIRECTORY);
  for (let i = 0; i < DEPTH; i++) {
    sys.closeFd(sys.openAt(fd, '\xff\xfe', sys.O_RDWR | sys.O_CREAT, 0o600));
    sys.makeFolderAt(fd, LONG, 0o755);
    const next = sys.openAt(fd, LONG, sys.O_RDONLY | sys.O_DIRECTORY);
    sys.closeFd(fd);
    fd = next;
  }
  sys.closeFd(fd);
}

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mica-folders-'));
});

afterAll(() => {
  removeTree(folder);
});

describe.runIf(process.platform === 'linux')('a tree that is deeper than a path is long', () => {
  it('is removed', () => {
    const tree = join(folder, 'rm-1');
    mkdirSync(tree);
    makeDeep(tree);
    removeTree(tree);
    expect(existsSync(tree)).toBe(false);
  });

  it('is measured to its end', () => {
    const tree = join(folder, '1');
    mkdirSync(tree);
    makeDeep(tree);
    const fd = sys.openAt(sys.AT_FDCWD, fromText(tree), sys.O_RDONLY | sys.O_DIRECTORY);
    try {
      expect(measureTree(fd).inodes).toBe(1 + 2 * DEPTH);
    } finally {
      sys.closeFd(fd);
      removeTree(tree);
    }
  });
});

describe('removeTree', () => {
  it('removes folders that are closed to their owner, in others that are', () => {
    const tree = join(folder, 'rm-2');
    mkdirSync(join(tree, 'a/b/c'), { recursive: true });
    writeFileSync(join(tree, 'a/b/c/file'), '');
    for (const path of ['a/b/c', 'a/b', 'a']) chmodSync(join(tree, path), 0o500);
    removeTree(tree);
    expect(existsSync(tree)).toBe(false);
  });

  it('takes what is gone already for removed', () => {
    expect(() => removeTree(join(folder, 'none'))).not.toThrow();
  });
});
