// A disk that refuses everything for a while, also to take back what was begun: what is left is gone as soon as it works.

import { afterAll, expect, it } from 'vitest';
import { EIO } from '../../../fs/errno.js';
import { mayUseTrustedXattrs } from '../../../fs/sys/index.js';
import { arm, disarm } from '../../faults/libc.js';
import { Places } from '../../faults/places.js';
import { errnoOf } from '../../suites/paths.js';

const places = new Places(mayUseTrustedXattrs() ? 'trusted' : 'user');
afterAll(() => places.remove());

it('a link that could not be made and not be taken back is not counted', () => {
  const upper = places.fresh();
  const { union, paths } = upper.open();
  paths.unlink('f');
  arm(({ name }) => (name === 'renameat2' || name === 'unlinkat' ? EIO : undefined));
  const errno = errnoOf(() => paths.link('g', 'f'));
  disarm();
  expect(errno).toBe(EIO);
  expect(upper.rubbish()).toHaveLength(1);
  expect(paths.stat('g').nlink).toBe(1);
  expect(upper.rubbish()).toEqual([]);
  union.destroy();
});
