import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { socketPath } from '../../../src/containerd/address.js';

test.each([
  ['/run/m.sock', '/run/m.sock'],
  ['unix:///run/m.sock', '/run/m.sock'],
  ['unix:/run/m.sock', '/run/m.sock'],
  ['m.sock', resolve('m.sock')],
  ['unix:m.sock', resolve('m.sock')],
  ['unix://m.sock', resolve('m.sock')],
])('%s is the socket %s', (address, path) => {
  expect(socketPath(address)).toBe(path);
});

test.each(['', 'unix://', 'a\0b', `/${'x'.repeat(107)}`])('%j is no socket', (address) => {
  expect(() => socketPath(address)).toThrow(/cannot use --address/);
});
