// Trees with more folders in each other than calls can be nested: 10,000 on the stack that a thread has, fewer on what is
// left of it here, so that the disk has less to do. They are made by descriptors, because a path has at most 4096 bytes.

import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Attr, Entry, ROOT_NODE, SYSTEM_CALLER } from '../../../fs/filesystem.js';
import { openStack } from '../../../fs/layer/open-stack.js';
import { removeFolderTree } from '../../../fs/layer/remove-tree.js';
import { fromText } from '../../../fs/name.js';
import {
  AT_FDCWD,
  closeFd,
  makeFolderAt,
  O_CREAT,
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
  openAt,
  writeAllAt,
} from '../../../fs/sys/index.js';
import { Union } from '../../../fs/union/union.js';
import { walk } from '../../../fs/union/walk.js';
import { walkTree } from '../../../src/diff/tree-walk.js';
import { bytes } from '../../suites/paths.js';

const DEPTH = 2500;
const MOST_MS = 120_000;

let base: string;

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'mica-deep-'));
  mkdirSync(join(base, 'lower/top'), { recursive: true });
  writeFileSync(join(base, 'lower/top/near'), 'near');
  makeDeep(join(base, 'lower/top'));
});
afterAll(() => removeFolderTree(fromText(base)), MOST_MS);

/** Below `path`, folders `d` in each other, and a file in the last one. */
function makeDeep(path: string): void {
  let fd = openAt(AT_FDCWD, fromText(path), O_RDONLY | O_DIRECTORY);
  for (let i = 0; i < DEPTH; i++) {
    makeFolderAt(fd, 'd', 0o755);
    const next = openAt(fd, 'd', O_RDONLY | O_DIRECTORY);
    closeFd(fd);
    fd = next;
  }
  const file = openAt(fd, 'file', O_RDWR | O_CREAT, 0o644);
  writeAllAt(file, 0, bytes('below'));
  closeFd(file);
  closeFd(fd);
}

/** On an upper whose redirects the kernel does not follow, so that settling copies up what was moved. */
function withUnion(name: string, act: (union: Union) => void): void {
  const [path, work] = [join(base, name), join(base, `${name}-work`)];
  for (const folder of [path, work]) mkdirSync(folder, { recursive: true });
  const { lowers, upper } = openStack({
    lowers: [{ path: join(base, 'lower'), id: 'lower', dialect: 'overlay', marks: 'user' }],
    upper: { path, work, id: 'upper', dialect: 'overlay', marks: 'user' },
  });
  const union = new Union({ lowers, ...(upper && { upper }) });
  try {
    onLittleStack(() => act(union));
  } finally {
    union.destroy();
  }
}

/** Calls `act` with a seventh of the stack to go on with. */
function onLittleStack(act: () => void): void {
  let most = 0;
  const measure = (depth: number): void => {
    most = depth;
    measure(depth + 1);
  };
  expect(() => measure(0)).toThrow(RangeError);
  const nest = (left: number): void => {
    if (left > 0) nest(left - 1);
    else act();
  };
  nest(Math.floor(most * 0.85));
}

function entryAt(union: Union, path: string): Entry {
  const entry = new Entry();
  if (!union.resolvePath(path, entry)) throw new Error('the path leads nowhere');
  return entry;
}

describe.runIf(process.platform === 'linux')(`${DEPTH} folders in each other`, () => {
  it(
    'are walked',
    () => {
      withUnion('walked', (union) => {
        expect(count(walk(union))).toBe(DEPTH + 3);
        expect(count(walkTree(union))).toBe(DEPTH + 4);
      });
    },
    MOST_MS,
  );

  it(
    'are copied up by a write in the deepest',
    () => {
      const path = `top/${'d/'.repeat(DEPTH)}file`;
      withUnion('written', (union) => {
        const { node } = entryAt(union, path);
        const handle = union.open(node, O_RDWR);
        union.write(handle, 0, bytes('above'), false);
        union.release(handle);
        union.forget(node, 1);
      });
      withUnion('written', (union) => {
        const handle = union.open(entryAt(union, path).node, O_RDONLY);
        const found = new Uint8Array(5);
        union.read(handle, 0, found);
        expect(Buffer.from(found).toString()).toBe('above');
      });
    },
    MOST_MS,
  );

  it(
    'are settled where they were moved',
    () => {
      withUnion('moved', (union) => {
        union.rename(ROOT_NODE, 'top', ROOT_NODE, 'moved', 0);
        expect(union.settle()).toBe(true);
        expect(count(walk(union))).toBe(DEPTH + 3);
      });
    },
    MOST_MS,
  );

  it(
    'may be what a folder has of its own whose lower part is hidden',
    () => {
      withUnion('hidden', (union) => {
        const deepest = `top${'/d'.repeat(DEPTH)}`;
        const { node } = entryAt(union, deepest);
        for (const changed of [node, entryAt(union, 'top/near').node])
          union.setattr(changed, { mode: 0o700 }, SYSTEM_CALLER, new Attr());
        union.forget(node, 1);
        union.makeOpaque(entryAt(union, 'top').node);
        expect(entryAt(union, deepest).attr.mode & 0o777).toBe(0o700);
        expect(entryAt(union, 'top/near').attr.size).toBe('near'.length);
        expect(union.resolvePath(`${deepest}/file`, new Entry())).toBe(false);
      });
    },
    MOST_MS,
  );
});

function count(all: Iterable<unknown>): number {
  let found = 0;
  for (const _one of all) found++;
  return found;
}
