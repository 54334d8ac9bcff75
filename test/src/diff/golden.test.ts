// The layer of a fixed tree has one digest, on every machine and every release of Node: what a change of it would
// change is the identity of images that others have stored.

import { expect, test } from 'vitest';
import { changesBetween } from '../../../src/diff/changes.js';
import { writeLayerTar } from '../../../src/diff/layer-tar.js';
import { digestOf } from '../../../src/digest.js';
import { type Draft, readTar } from './tar-tools.js';
import { chainOf, unionOf } from './trees.js';

const at = (sec: number, nsec = 0) => ({ sec, nsec });
const BASE: Draft[] = [
  { path: 'bin', type: 'folder' },
  { path: 'bin/tool', content: 'old', mode: 0o4755 },
  { path: 'gone', content: 'x' },
  { path: 'tmp', type: 'folder', mode: 0o1777 },
  { path: 'tmp/kept', content: 'kept' },
];
const ABOVE: Draft[] = [
  { path: 'bin/tool', content: 'new', mode: 0o4755, mtime: at(1_700_000_000, 123_456_789) },
  { path: 'bin/other', type: 'link', linkname: 'bin/tool' },
  { path: '.wh.gone', content: '' },
  { path: 'big', content: 'y'.repeat(300_001), uid: 3_000_000, gid: 65_534 },
  { path: 'dev', type: 'folder', mtime: at(1_700_000_001) },
  { path: 'dev/null', type: 'char', mode: 0o666, devmajor: 1, devminor: 3 },
  { path: 'dev/loop0', type: 'block', mode: 0o660, gid: 6, devmajor: 7, devminor: 0 },
  { path: 'dev/pipe', type: 'fifo', mode: 0o600 },
  { path: 'link', type: 'symlink', linkname: '/bin/tool', mode: 0o777 },
  { path: 'long', type: 'folder' },
  { path: `long/${'n'.repeat(120)}`, type: 'folder', mtime: at(8 ** 11) },
  { path: `long/${'n'.repeat(120)}/${'m'.repeat(120)}`, content: 'long name' },
  { path: 'old', content: 'before 1970', mtime: at(-1, 500_000_000) },
  { path: 'name-\xff\xfe', content: 'no UTF-8' },
  {
    path: 'with-xattrs',
    content: '',
    xattrs: new Map([
      ['user.z', Buffer.from([0, 10, 255])],
      ['security.capability', Buffer.from('0100000200040000000000000000000000000000', 'hex')],
    ]),
  },
];

async function layer(epochSec?: number): Promise<Buffer> {
  const [above, below] = await chainOf(BASE, ABOVE);
  if (above === undefined || below === undefined) throw new Error('no layers');
  const [from, to] = [unionOf([below]), unionOf([above, below])];
  const chunks: Uint8Array[] = [];
  const changes = changesBetween(from, to, { layer: above });
  const options = epochSec === undefined ? {} : { epochSec };
  for await (const chunk of writeLayerTar(to, changes, options)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('the layer of a fixed tree has the digest that it always had', async () => {
  expect(digestOf(await layer())).toBe(
    'sha256:05cb14e54411131cee7db204c9968903056f969d4c893aae571506f436e22cd2',
  );
});

test('so it has with SOURCE_DATE_EPOCH', async () => {
  expect(digestOf(await layer(1_650_000_000))).toBe(
    'sha256:6d3ef8477e258bbd8342bd2e7839d6ff2d3843173ec62870dd6399a5df8f99ce',
  );
});

test('what the digests stand for is what it should be', async () => {
  const entries = readTar(await layer(1_650_000_000));
  expect(entries.map(({ path, type, mtime: { sec } }) => `${type} ${path} ${sec}`)).toEqual([
    'file .wh.gone 0',
    'file big 1600000000',
    'folder bin 1600000000',
    'file bin/other 1650000000',
    'link bin/tool 1650000000',
    'folder dev 1650000000',
    'block dev/loop0 1600000000',
    'char dev/null 1600000000',
    'fifo dev/pipe 1600000000',
    'symlink link 1600000000',
    'folder long 1600000000',
    `folder long/${'n'.repeat(120)} 1650000000`,
    `file long/${'n'.repeat(120)}/${'m'.repeat(120)} 1600000000`,
    'file name-\xff\xfe 1600000000',
    'file old -1',
    'file with-xattrs 1600000000',
  ]);
});
