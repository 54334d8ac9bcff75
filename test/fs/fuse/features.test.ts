import { describe, expect, it } from 'vitest';
import { FUSE_HANDLE_KILLPRIV_V2, FUSE_SETXATTR_EXT } from '../../../fs/fuse/abi.js';
import { FUSE_FEATURES, flagsWithout } from '../../../fs/fuse/features.js';

describe('features of the FUSE protocol', () => {
  it('are switched off by name, whatever else is in the list', () => {
    expect(flagsWithout('')).toBe(0);
    expect(flagsWithout('lowerdir-plus')).toBe(0);
    expect(flagsWithout('fuse-killpriv-v2, fuse-setxattr-ext')).toBe(
      FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT,
    );
  });

  it('have bits of their own', () => {
    const all = FUSE_FEATURES.reduce((sum, feature) => sum + (feature.flags >>> 0), 0);
    const union = FUSE_FEATURES.reduce((bits, feature) => bits | feature.flags, 0) >>> 0;
    expect(all).toBe(union);
  });
});
