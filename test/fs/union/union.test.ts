// The contract of a filesystem, on unions over layers in memory and over real folders.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { openLowerDir } from '../../../fs/layer/dir-layer.js';
import { openUpperDir } from '../../../fs/layer/dir-upper.js';
import type { MarkPrefix } from '../../../fs/layer/layer.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { fromText } from '../../../fs/name.js';
import { mayUseTrustedXattrs } from '../../../fs/sys/index.js';
import { Union } from '../../../fs/union/union.js';
import {
  describeFilesystem,
  type FilesystemUnderTest,
  fillWithStartingTree,
} from '../../suites/filesystem.js';
import { fillLayer } from './stacks.js';

function overMemory(marks: MarkPrefix, partsFrom = Number.POSITIVE_INFINITY): FilesystemUnderTest {
  const numbers = { last: 0 };
  const lower = new MemLayer({ id: 'lower', device: 'disk', numbers });
  fillWithStartingTree(lower);
  const upper = new MemLayer({ id: 'upper', device: 'disk', numbers, marks, partsFrom });
  const open = () => new Union({ lowers: [lower], upper });
  return { fs: open(), remount: open, dispose: () => upper.close() };
}

/** The starting tree in the upper itself, over an empty lower: nothing is ever copied up. */
function inUpperAlone(): FilesystemUnderTest {
  const upper = new MemLayer({ id: 'upper' });
  fillWithStartingTree(upper);
  const open = () => new Union({ lowers: [new MemLayer({ id: 'empty' })], upper });
  return { fs: open(), remount: open, dispose: () => upper.close() };
}

/** A second lower of another filesystem merges with the first, and its own files lie under whiteouts. */
function overTwo(): FilesystemUnderTest {
  const base = new MemLayer({ id: 'base', device: 'one' });
  fillWithStartingTree(base);
  const middle = fillLayer(new MemLayer({ id: 'middle', device: 'two' }), { nothing: null, file2: null });
  const upper = new MemLayer({ id: 'upper', device: 'three' });
  const open = () => new Union({ lowers: [middle, base], upper });
  return { fs: open(), remount: open, dispose: () => upper.close() };
}

function overFolders(marks: MarkPrefix, partsFrom = Number.POSITIVE_INFINITY): FilesystemUnderTest {
  const base = mkdtempSync(join(tmpdir(), 'mica-union-'));
  for (const name of ['lower', 'lower-work', 'upper', 'work']) mkdirSync(join(base, name));
  const path = (name: string) => fromText(join(base, name));
  const builder = openUpperDir(path('lower'), path('lower-work'), { marks, lockWaitMs: 0 });
  fillWithStartingTree(builder);
  builder.close();
  const open = () =>
    new Union({
      lowers: [openLowerDir(path('lower'), { marks: [marks] })],
      upper: openUpperDir(path('upper'), path('work'), { marks, partsFrom, lockWaitMs: 0 }),
    });
  let fs = open();
  return {
    fs,
    remount: () => {
      fs.destroy();
      fs = open();
      return fs;
    },
    dispose: () => {
      fs.destroy();
      execFileSync('rm', ['-rf', base]);
    },
  };
}

describeFilesystem('a union over memory, trusted marks', () => overMemory('trusted'));
describeFilesystem('a union over memory, user marks', () => overMemory('user'));
describeFilesystem('a union over memory that writes files in part', () => overMemory('user', 1));
describeFilesystem('a union whose upper holds everything', inUpperAlone);
describeFilesystem('a union over layers of different filesystems', overTwo);

const root = mayUseTrustedXattrs();

describe.runIf(root)('as root', () => {
  describeFilesystem('a union over folders, trusted marks', () => overFolders('trusted'));
  describeFilesystem('a union over folders that writes files in part', () => overFolders('trusted', 1));
});

// An ordinary user's symlinks and fifos are stood in for by files, which carry every mark; root makes real ones.
describeFilesystem('a union over folders, user marks', () => overFolders('user'), {
  keepsNumbersOfSpecials: !root,
});

describeFilesystem(
  'a union over folders that writes files in part, user marks',
  () => overFolders('user', 1),
  { keepsNumbersOfSpecials: !root },
);
