// Under `user.` a symlink, fifo or device can carry no mark, so a copy of one cannot say which number it had. While
// the mount lives the union remembers it.

import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Entry, ROOT_NODE } from '../../../fs/filesystem.js';
import { openStack } from '../../../fs/layer/open-stack.js';
import { hasFeature } from '../../../fs/sys/index.js';
import { Union } from '../../../fs/union/union.js';

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'mica-unmarkable-'));
  for (const name of ['lower', 'upper', 'work']) mkdirSync(join(base, name));
  symlinkSync('target', join(base, 'lower/link'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

function withUnion(act: (union: Union, entry: Entry) => void): void {
  const rest = { dialect: 'overlay', marks: 'user' } as const;
  const { lowers, upper } = openStack({
    lowers: [{ path: join(base, 'lower'), id: 'lower', ...rest }],
    upper: { path: join(base, 'upper'), work: join(base, 'work'), id: 'upper', ...rest },
  });
  const union = new Union({ lowers, ...(upper === undefined ? {} : { upper }) });
  try {
    act(union, new Entry());
  } finally {
    union.destroy();
  }
}

it('a renamed lower symlink keeps its number, forgotten or not, and loses it with its last name', () => {
  withUnion((union, entry) => {
    union.lookup(ROOT_NODE, 'link', entry);
    const { ino } = entry.attr;
    union.rename(ROOT_NODE, 'link', ROOT_NODE, 'moved', 0);
    union.lookup(ROOT_NODE, 'moved', entry);
    expect(entry.attr.ino).toBe(ino);
    union.forget(entry.node, 2);
    union.lookup(ROOT_NODE, 'moved', entry);
    expect(entry.attr.ino).toBe(ino);
    union.unlink(ROOT_NODE, 'moved');
    union.symlink(ROOT_NODE, 'new', 'target', { uid: 0, gid: 0, pid: 0, umask: 0 }, entry);
    expect(entry.attr.ino).not.toBe(ino);
  });
});

// Its key in the index is the kernel's file handle.
if (hasFeature('file-handles')) {
  it('one of a hard-linked pair of symlinks, copied up, is one file with the other after a remount too', () => {
    linkSync(join(base, 'lower/link'), join(base, 'lower/other'));
    let number = 0;
    withUnion((union, entry) => {
      union.lookup(ROOT_NODE, 'link', entry);
      number = entry.attr.ino;
      union.rename(ROOT_NODE, 'link', ROOT_NODE, 'moved', 0);
    });
    withUnion((union, entry) => {
      union.lookup(ROOT_NODE, 'moved', entry);
      expect(entry.attr.ino).toBe(number);
      union.lookup(ROOT_NODE, 'other', entry);
      expect(entry.attr).toMatchObject({ ino: number, nlink: 2 });
    });
  });
}
