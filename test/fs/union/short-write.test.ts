// A disk with room for a part of what is written.

import { afterAll, expect, it } from 'vitest';
import { ENOSPC } from '../../../fs/errno.js';
import { mayUseTrustedXattrs } from '../../../fs/sys/index.js';
import { arm, disarm } from '../../faults/libc.js';
import { Places } from '../../faults/places.js';
import { bytes, errnoOf } from '../../suites/paths.js';

const places = new Places(mayUseTrustedXattrs() ? 'trusted' : 'user');
afterAll(() => places.remove());

/** Half of the first write fits, and nothing after it. */
function fillUp(): void {
  let writes = 0;
  arm(({ name }) => (name === 'pwrite' ? (writes++ === 0 ? 'short' : ENOSPC) : undefined));
}

it('a write says how much of it is in the file, and only the next one fails', () => {
  const { union, paths } = places.fresh().open();
  const handle = paths.create('new', 0o600);
  fillUp();
  const count = union.write(handle, 0, bytes('12345678'), false);
  const errno = errnoOf(() => union.write(handle, count, bytes('5678'), false));
  disarm();
  expect([count, errno]).toEqual([4, ENOSPC]);
  expect(paths.read('new')).toBe('1234');
  union.destroy();
});

it('pages of a mapping are written whole, or the write of them fails', () => {
  const { union, paths } = places.fresh().open();
  const handle = paths.create('new', 0o600);
  fillUp();
  const errno = errnoOf(() => union.writeMapped(handle, 0, bytes('12345678')));
  disarm();
  expect(errno).toBe(ENOSPC);
  union.destroy();
});
