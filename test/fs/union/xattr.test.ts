// File capabilities, which the kernel asks for before every write: what is known of them must stay the truth.

import { expect, test } from 'vitest';
import { O_RDWR } from '../../../fs/filesystem.js';
import { bytes } from '../../suites/paths.js';
import { rig } from './stacks.js';

const CAPABILITY = 'security.capability';

test.each(['old', 'new'])(
  'a capability set after it was found missing is there, until a write clears it: %s',
  (name) => {
    const { paths, union } = rig([{ old: 'x' }]);
    // A node that stays known keeps what is known of it.
    paths.forgets = false;
    if (name === 'new') paths.write('new', 'x');
    expect(paths.getxattr(name, CAPABILITY)).toBeUndefined();
    paths.setxattr(name, CAPABILITY, 'caps');
    expect(paths.getxattr(name, CAPABILITY)).toBe('caps');
    const handle = paths.open(name, O_RDWR);
    union.write(handle, 0, bytes('y'), true);
    union.release(handle);
    expect(paths.getxattr(name, CAPABILITY)).toBeUndefined();
    paths.setxattr(name, CAPABILITY, 'again');
    expect(paths.getxattr(name, CAPABILITY)).toBe('again');
  },
);

test('a capability of a lower file is seen before and after its copy-up', () => {
  const { paths, lowers } = rig([{ old: 'x' }]);
  paths.forgets = false;
  const node = lowers[0]!.hold('', 'old');
  node.setxattr(CAPABILITY, bytes('caps'), 0);
  node.release();
  expect(paths.getxattr('old', CAPABILITY)).toBe('caps');
  paths.setxattr('old', 'user.note', 'kept');
  expect(paths.getxattr('old', CAPABILITY)).toBe('caps');
});
