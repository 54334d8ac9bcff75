// The contract of a differ (src/diff/differ.ts): whatever the way to the two trees, the same changes give the same bytes.
// The digests below are of those bytes, so each implementation is held to every other one.

import { afterEach, describe, expect, test } from 'vitest';
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK } from '../../fs/index.js';
import { digestOf } from '../../src/digest.js';
import type { Hands } from '../src/diff/hands.js';
import { type Draft, readTar } from '../src/diff/tar-tools.js';

export interface DifferUnderTest {
  /** Lets `change` work on a tree over these layers (base first; none: an empty one), and returns the layer of that. */
  layer(layers: readonly (readonly Draft[])[], change: (hands: Hands) => void): Promise<Buffer>;
  remove(): Promise<void>;
}

interface Scenario {
  readonly name: string;
  /** Base first. */
  readonly layers: readonly (readonly Draft[])[];
  /** The same at every run, times included. */
  readonly change: (hands: Hands) => void;
  /** The entries of the layer: type, path, what a link leads to. */
  readonly entries: readonly string[];
  readonly digest: string;
}

const dir = (path: string, more: Partial<Draft> = {}): Draft => ({ path, type: 'folder', ...more });
const file = (path: string, content = path, more: Partial<Draft> = {}): Draft => ({ path, content, ...more });
const xattrs = (value: string) => new Map([['user.note', Buffer.from(value)]]);

const BASE: readonly Draft[] = [
  dir('bin', { mode: 0o711 }),
  file('bin/tool', 'a program', { mode: 0o4755, xattrs: xattrs('old') }),
  dir('d'),
  file('d/a'),
  file('d/b', 'b', { mtime: { sec: 1_600_000_000, nsec: 123_456_789 } }),
  dir('d/sub', { mode: 0o700, uid: 5 }),
  file('d/sub/c'),
  file('d/sub/hidden'),
  file('f'),
  file('hard1', 'linked'),
  { path: 'hard2', type: 'link', linkname: 'hard1' },
  { path: 'soft', type: 'symlink', linkname: 'f' },
  dir('tmp', { mode: 0o1777 }),
  file('tmp/x', 'long enough to be a file that is not empty'),
  dir('z'),
  { path: 'z/hard3', type: 'link', linkname: 'hard1' },
];
const MIDDLE: readonly Draft[] = [
  dir('d'),
  dir('d/sub', { mode: 0o700, uid: 5 }),
  file('d/sub/.wh.hidden', ''),
  file('d/sub/middle'),
];

/** The time of what a test makes, and since when a time is one of those: the layers' are before. */
export const NOW = { sec: 1_650_000_000, nsec: 250_000_000 };
export const NEW = 1_600_000_001;

const DRAFTS: readonly (Omit<Scenario, 'layers'> & Partial<Scenario>)[] = [
  {
    name: 'nothing, or what was changed and is as it was',
    change: (at) => {
      at.chmod('f', 0o600);
      at.chmod('f', 0o644);
      at.chown('d/sub', 6, 0);
      at.chown('d/sub', 5, 0);
      at.write('d/a', 'd/A');
      at.write('d/a', 'd/a');
      at.touch('d/a', { sec: 1_600_000_000, nsec: 0 });
    },
    entries: [],
    digest: 'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef',
  },
  {
    name: 'attributes, one at a time',
    change: (at) => {
      at.chmod('bin/tool', 0o755);
      at.chown('d/a', 1000, 70_000);
      at.touch('d/b', { sec: 1_600_000_000, nsec: 123_456_790 });
      at.chmod('d/sub', 0o2750);
      at.setXattr('f', 'user.note', Buffer.from([0, 10, 255]));
      at.union.removexattr(at.node('bin/tool'), 'user.note');
      at.setXattr('tmp', 'user.folder', Buffer.from('x'));
    },
    entries: [
      'folder bin',
      'file bin/tool',
      'folder d',
      'file d/a',
      'file d/b',
      'folder d/sub',
      'file f',
      'folder tmp',
    ],
    digest: 'sha256:e849dccb35c64a90e938d0c0b62ba9ccfb7cde49d1a16ad7f97ff1389897dc54',
  },
  {
    name: 'content: longer, shorter, behind an equal size and time, and of a file in an unchanged folder',
    change: (at) => {
      at.write('bin/tool', 'a longer program');
      at.write('tmp/x', 'other');
      at.write('d/a', 'D/A');
      at.touch('d/a', { sec: 1_600_000_000, nsec: 0 });
      at.write('new', '');
      at.write('d/sub/big', 'y'.repeat(300_001));
    },
    entries: [
      'folder bin',
      'file bin/tool',
      'folder d',
      'file d/a',
      'folder d/sub',
      'file d/sub/big',
      'file new',
      'folder tmp',
      'file tmp/x',
    ],
    digest: 'sha256:0c388e5302b9483d2cc95155de13e7419ca1be65f48466d24f8200ee94a4e1ae',
  },
  {
    name: 'deletions: of files, of a folder, of a folder that was made anew',
    change: (at) => {
      at.remove('f');
      at.remove('d/sub/middle');
      at.removeTree('tmp');
      at.removeTree('z');
      at.removeTree('bin');
      at.mkdir('bin');
      at.write('bin/other', 'x');
    },
    entries: [
      'file .wh.f',
      'file .wh.tmp',
      'file .wh.z',
      'folder bin',
      'file bin/.wh.tool',
      'file bin/other',
      'folder d',
      'folder d/sub',
      'file d/sub/.wh.middle',
    ],
    digest: 'sha256:c1ec34dd5f6590b149ba6a59cf6b422e009dc44a65197ecb9063df9d3e1ef5d0',
  },
  {
    name: 'a folder of the layers that was moved, and changed there',
    change: (at) => {
      at.rename('d/sub', 'z/moved');
      at.write('z/moved/c', 'after the move');
      at.rename('d', 'e');
      at.rename('f', 'e/f');
    },
    entries: [
      'file .wh.d',
      'file .wh.f',
      'folder e',
      'file e/a',
      'file e/b',
      'file e/f',
      'folder z',
      'folder z/moved',
      'file z/moved/c',
      'file z/moved/middle',
    ],
    digest: 'sha256:3820bca7b0d527027c5ec555bb8e866269936cc028d4596ad738db0acc1cf1a8',
  },
  {
    name: 'a file with several names that changed through one of them',
    change: (at) => at.write('hard2', 'LINKED'),
    entries: ['file hard1', 'link hard2 hard1', 'folder z', 'link z/hard3 hard1'],
    digest: 'sha256:fe5bd4d5419c6a771fe9bf85914273ed837dc17999b0734b7c4c0a068cb5338a',
  },
  {
    name: 'a file with several names that changed through one which is gone',
    change: (at) => {
      at.write('hard1', 'LINKED');
      at.remove('hard1');
    },
    entries: ['file .wh.hard1', 'file hard2', 'folder z', 'link z/hard3 hard2'],
    digest: 'sha256:e48a9cd31f35086448f9e5e628d96e1347e9d2a5be53de7869ba366b910b196f',
  },
  {
    name: 'names of files that come, go and move',
    change: (at) => {
      at.link('f', 'd/f');
      at.remove('hard2');
      at.rename('z/hard3', 'd/hard3');
      at.write('one', '1');
      at.link('one', 'tmp/two');
    },
    entries: [
      'file .wh.hard2',
      'folder d',
      'file d/f',
      'file d/hard3',
      'link f d/f',
      'link hard1 d/hard3',
      'file one',
      'folder tmp',
      'link tmp/two one',
      'folder z',
      'file z/.wh.hard3',
    ],
    digest: 'sha256:9dc1fba9041a1d0bd67118c648cbd27e3ec7fb0dcc62278368463e2312c86028',
  },
  {
    name: 'other kinds of files in place of each other',
    change: (at) => {
      at.remove('f');
      at.mkdir('f');
      at.write('f/in', 'x');
      at.removeTree('tmp');
      at.write('tmp', 'a file');
      at.remove('soft');
      at.write('soft', 'no link');
      at.remove('d/a');
      at.symlink('d/a', '/nowhere');
      at.remove('d/b');
      at.mknod('d/b', S_IFSOCK | 0o600);
      at.mknod('d/new-socket', S_IFSOCK | 0o600);
      at.mknod('d/null', S_IFCHR | 0o666, 0x103);
      at.mknod('d/loop', S_IFBLK | 0o660, 0x701);
      at.mknod('d/pipe', S_IFIFO | 0o600);
    },
    entries: [
      'folder d',
      'file d/.wh.b',
      'symlink d/a /nowhere',
      'block d/loop',
      'char d/null',
      'fifo d/pipe',
      'folder f',
      'file f/in',
      'file soft',
      'file tmp',
    ],
    digest: 'sha256:32853cc1396bbaa79359c3cb7b63da975a0283754f66070ec4f297f30f5da5a6',
  },
  {
    name: 'names that no program likes',
    change: (at) => {
      at.write('\xff\xfe', 'no UTF-8');
      at.write('new\nline', 'x');
      at.mkdir(`${'n'.repeat(255)}`);
      at.write(`${'n'.repeat(255)}/${'m'.repeat(255)}`, 'x');
      at.symlink('d/far', 'z/'.repeat(80));
    },
    entries: [
      'folder d',
      `symlink d/far ${'z/'.repeat(80)}`,
      'file new\nline',
      `folder ${'n'.repeat(255)}`,
      `file ${'n'.repeat(255)}/${'m'.repeat(255)}`,
      'file \xff\xfe',
    ],
    digest: 'sha256:4c6eff1226898a670989522ecac900e19b08396ef9510abfdd3081c94590d1ef',
  },
  {
    name: 'everything over nothing',
    layers: [],
    change: (at) => {
      at.mkdir('d');
      at.write('d/a', 'x');
      at.link('d/a', 'b');
      at.mkdir('empty');
      at.chmod('', 0o750);
    },
    entries: ['file b', 'folder d', 'link d/a b', 'folder empty'],
    digest: 'sha256:6d15527bf2a0e87f812000a118ec2ae9d768b004bbe205b8625232545b4758d0',
  },
];

/** Over BASE and MIDDLE where nothing else is said. */
export const SCENARIOS: readonly Scenario[] = DRAFTS.map(
  ({ change, layers = [BASE, MIDDLE], ...others }) => ({
    ...others,
    layers,
    change: (hands) => {
      change(hands);
      hands.touchNew(NEW, NOW);
    },
  }),
);

export function differSuite(name: string, make: () => Promise<DifferUnderTest>): void {
  describe(`${name} as a differ`, () => {
    let under: DifferUnderTest | undefined;
    afterEach(async () => under?.remove());

    test.each(SCENARIOS)('writes $name', async ({ change, layers, entries, digest }) => {
      under = await make();
      const tar = await under.layer(layers, change);
      const found = readTar(tar).map(({ type, path, linkname }) => `${type} ${path} ${linkname}`.trimEnd());
      expect(found).toEqual(entries);
      expect(digestOf(tar)).toBe(digest);
    });
  });
}
