// What the kernel is told without having asked, to the byte (fuse_notify_inval_entry_out, fuse_notify_inval_inode_out).

import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import { entryNotice, nodeNotice } from '../../../fs/fuse/stale.js';
import { fromText } from '../../../fs/name.js';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('a name that is to be dropped is told with its folder, its length and a NUL', () => {
  expect(hex(entryNotice(0x1_0000_0002, fromText('\u00e9')))).toBe(
    // len 16 + 16 + 3, code 3, unique 0
    ['23000000', '03000000', '0000000000000000', '0200000001000000', '02000000', '00000000', 'c3a900'].join(
      '',
    ),
  );
});

test('a node that is to be dropped is told with all of its data', () => {
  expect(hex(nodeNotice(7))).toBe(
    [
      '28000000',
      '02000000',
      '0000000000000000',
      '0700000000000000',
      '0000000000000000',
      '0000000000000000',
    ].join(''),
  );
});
