import { createRequire } from 'node:module';
import type Koffi from 'koffi';
import { expect, it } from 'vitest';
import { EAGAIN, EBADF } from '../../../fs/errno.js';
import { declare, errno, fail } from '../../../fs/sys/libc.js';

const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;

it('keeps the errno of a call that failed when the engine sets another one before anybody asks', () => {
  const close = declare('int', 'close', ['int']);
  expect(close(-1)).toBe(-1);
  koffi.errno(EAGAIN);
  expect(errno()).toBe(EBADF);
  expect(() => fail('close')).toThrow(expect.objectContaining({ errno: EBADF }));
});
