// Stacks of committed folders opened with their indexes: made when missing, made again when damaged, never
// believed about another folder, and never needed.

import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readIndex, readIndexHead } from '../../../fs/layer/index-file.js';
import { openStack, prepareStack, type StackDescription } from '../../../fs/layer/open-stack.js';
import { isRegular } from '../../../fs/mode.js';
import { fromBytes } from '../../../fs/name.js';
import { Union } from '../../../fs/union/union.js';
import { walk } from '../../../fs/union/walk.js';
import { describeWith } from '../../requires.js';

/** Layers 3, 2 and 1, topmost first: a file in each, one replaced, one under an opaque folder, a hard link. */
function makeStack(root: string): StackDescription {
  const put = (path: string, text: string) => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  put('snapshots/1/fs/d/one', '1');
  put('snapshots/1/fs/d/replaced', 'old');
  put('snapshots/1/fs/hidden/gone', 'x');
  put('snapshots/2/fs/d/two', '2');
  put('snapshots/3/fs/d/replaced', 'new');
  put('snapshots/3/fs/hidden/shown', 'y');
  execFileSync('ln', [join(root, 'snapshots/1/fs/d/one'), join(root, 'snapshots/1/fs/link')]);
  execFileSync('mknod', [join(root, 'snapshots/3/fs/d/two'), 'c', '0', '0']);
  execFileSync('setfattr', ['-n', 'user.overlay.opaque', '-v', 'y', join(root, 'snapshots/3/fs/hidden')]);
  const lowers = ['3', '2', '1'].map((id, i, ids) => {
    const parent = ids[i + 1];
    return {
      path: join(root, 'snapshots', id, 'fs'),
      id,
      dialect: 'overlay' as const,
      marks: 'user' as const,
      facts: { id, ...(parent === undefined ? {} : { parent }), name: `layer ${id}`, form: 'diff' },
    };
  });
  return { lowers, chains: join(root, 'chains') };
}

function shown(stack: StackDescription): Record<string, string> {
  const union = new Union(openStack(stack));
  try {
    const all: Record<string, string> = {};
    for (const { path, node, attr } of walk(union)) {
      let text = '';
      if (isRegular(attr.mode)) {
        const handle = union.open(node, 0);
        const into = new Uint8Array(100);
        text = fromBytes(into, 0, union.read(handle, 0, into));
        union.release(handle);
      }
      const { mode, size, nlink, ino, mtimeSec, ctimeSec, blocks } = attr;
      all[path] = [mode.toString(8), size, nlink, ino, mtimeSec, ctimeSec, blocks, text].join(' ');
    }
    return all;
  } finally {
    union.destroy();
  }
}

describeWith(['program:setfattr'], 'a stack of committed folders', () => {
  let root: string;
  let stack: StackDescription;
  let plain: Record<string, string>;
  const index = (id: string) => join(root, 'snapshots', id, 'index');
  const chains = () => readdirSync(join(root, 'chains'));

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'mica-chain-'));
    stack = makeStack(root);
    // Blocks are given to files when they are written back, which must not fall between two looks.
    execFileSync('sync', ['-f', root]);
    plain = shown({ lowers: stack.lowers });
  });

  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  it('is one layer that shows the same, and keeps its indexes', () => {
    expect(Object.keys(plain).sort()).toEqual(['d', 'd/one', 'd/replaced', 'hidden', 'hidden/shown', 'link']);
    const open = openStack(stack);
    expect(open.lowers.map(({ layers }) => layers?.map(({ id }) => id))).toEqual([['3', '2', '1']]);
    open.close();
    expect(shown(stack)).toEqual(plain);
    expect(chains()).toHaveLength(1);
    expect(['1', '2', '3'].filter((id) => existsSync(index(id)))).toHaveLength(3);
  });

  it('is the same index to the byte when it is made again', () => {
    prepareStack(stack);
    const files = [index('1'), index('3'), join(root, 'chains', chains()[0]!)];
    const before = files.map((file) => readFileSync(file));
    for (const file of files) rmSync(file);
    prepareStack(stack);
    expect(files.map((file) => readFileSync(file))).toEqual(before);
  });

  it('makes what is damaged again, wherever the damage is', () => {
    prepareStack(stack);
    const chain = join(root, 'chains', chains()[0]!);
    for (const file of [index('2'), chain]) {
      const good = readFileSync(file);
      for (const at of [0, 20, 41, 1030, 4150, good.length - 1]) {
        const bad = Buffer.from(good);
        bad[at % good.length]! ^= 0xff;
        writeFileSync(file, bad);
        // Only reading all of it can find what is damaged beyond header and trailer.
        if (file !== chain) rmSync(chain, { force: true });
        expect(shown(stack)).toEqual(plain);
        expect(readFileSync(file)).toEqual(good);
      }
      for (const length of [0, 10, 2000, good.length - 1]) {
        writeFileSync(file, good.subarray(0, length));
        expect(shown(stack)).toEqual(plain);
        expect(readIndex(file).digest).toBe(readIndexHead(file).digest);
      }
    }
  });

  it('is read where it lies, and let go of at the end', () => {
    const mapped = () => readFileSync('/proc/self/maps', 'latin1').includes(join(root, 'chains'));
    const { lowers } = openStack(stack);
    expect(mapped()).toBe(true);
    for (const lower of lowers) lower.close();
    expect(mapped()).toBe(false);
  });

  it('does not believe the index of another folder', () => {
    prepareStack(stack);
    const copy = join(root, 'snapshots/copy');
    execFileSync('cp', ['-a', join(root, 'snapshots/1/fs'), copy]);
    rmSync(join(root, 'snapshots/1/fs'), { recursive: true });
    execFileSync('mv', [copy, join(root, 'snapshots/1/fs')]);
    writeFileSync(join(root, 'snapshots/1/fs/new'), 'n');
    expect(Object.keys(shown(stack))).toContain('new');
  });

  it('is walked folder by folder where no index can be made', () => {
    execFileSync('setfattr', ['-n', `user.${'x'.repeat(9)}`, '-v', 'v', join(root, 'snapshots/1/fs/d/one')]);
    const other = {
      ...stack,
      lowers: stack.lowers.map((lower, i) => (i === 1 ? withoutFacts(lower) : lower)),
    };
    const open = openStack(other);
    expect(open.lowers.map(({ id, layers }) => layers?.map((layer) => layer.id) ?? id)).toEqual([
      '3',
      '2',
      ['1'],
    ]);
    open.close();
    expect(shown(other)).toEqual(shown({ lowers: stack.lowers }));
  });

  it('explains a path layer by layer', () => {
    const union = new Union(openStack(stack));
    const single = new Union(openStack({ lowers: stack.lowers }));
    for (const path of ['', 'd', 'd/two', 'd/replaced', 'hidden', 'hidden/gone', 'none/x']) {
      expect(union.explain(path)).toEqual(single.explain(path));
    }
    union.destroy();
    single.destroy();
  });
});

function withoutFacts({ facts: _facts, ...rest }: StackDescription['lowers'][number]) {
  return rest;
}
