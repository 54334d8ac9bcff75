import { expect, it } from 'vitest';
import { parseQuota, quotaText } from '../../../src/mounts/quota-words.js';

it.each([
  ['4096', { bytes: 4096 }],
  ['1K', { bytes: 1024 }],
  ['512MiB', { bytes: 512 * 2 ** 20 }],
  ['1.5g', { bytes: 1.5 * 2 ** 30 }],
  ['2TB:1000', { bytes: 2 * 2 ** 40, inodes: 1000 }],
])('%s is a quota, and is written as it is read', (text, quota) => {
  expect(parseQuota('--quota', text)).toEqual(quota);
  expect(parseQuota('--quota', quotaText(quota))).toEqual(quota);
});

it.each(['', 'G', '-1', '1X', '1G:', '1G:x', '0', '1G:0', '0.1', '9999999P', '1G,5'])(
  '%j is none',
  (text) => {
    expect(() => parseQuota('--quota', text)).toThrow(expect.objectContaining({ kind: 'invalid-argument' }));
  },
);
