// What the inode table remembers of copies that cannot tell their number.

import { expect, test } from 'vitest';
import { S_IFREG } from '../../../fs/mode.js';
import { InodeTable } from '../../../fs/union/inode.js';

test('the number of a copy goes with it to the object that takes its place, and ends with its last name', () => {
  const table = new InodeTable();
  const inode = table.add(53, S_IFREG, table.addRoot(1), 'file');
  inode.upper = true;
  inode.upperIno = 163;
  table.noteCopy(inode);
  table.replaceUpper(inode, 200);
  // A new file may get the number of the object that went.
  expect([table.numberOfCopy(163), table.numberOfCopy(200), inode.upperIno]).toEqual([undefined, 53, 200]);
  table.orphan(inode);
  expect(table.numberOfCopy(200)).toBeUndefined();
});
