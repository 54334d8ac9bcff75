import { expect } from 'vitest';
import { inUpper, type Rig } from './stacks.js';

export const BLOCK = 4096;
/** Three blocks, the last one cut. */
export const SIZE = 2 * BLOCK + 1000;
export const CONTENT = letters(SIZE);
export const IN_PART = { partsFrom: BLOCK };

export function letters(size: number): string {
  return Array.from({ length: size }, (_, i) => String.fromCharCode(97 + ((i * 7 + (i >> 8)) % 26))).join('');
}

/** `content` with `part` written at `offset`. */
export function over(content: string, offset: number, part: string): string {
  return content.padEnd(offset, '\0').slice(0, offset) + part + content.slice(offset + part.length);
}

export function isInPart({ upper }: Rig, path: string): boolean {
  const entry = inUpper(upper, path);
  return entry?.metacopy === true && entry.ranges !== undefined;
}

/** Blocks of data in the upper's own object. */
export function ownBlocks({ upper }: Rig, path: string): number {
  return (inUpper(upper, path)?.attr.blocks ?? 0) / 8;
}

export function copied(r: Rig): number {
  return r.events.reduce((sum, event) => sum + (event.bytesCopied ?? 0), 0);
}

/** The same after unmount and mount, and after settling, which leaves nothing of all this. */
export function expectLasting(r: Rig, content: Readonly<Record<string, string>>): void {
  const check = ({ paths }: Rig) => {
    for (const [path, wanted] of Object.entries(content)) {
      expect([path, paths.stat(path).size, paths.read(path) === wanted]).toEqual([path, wanted.length, true]);
    }
  };
  check(r);
  check(r.remount());
  const settled = r.remount();
  settled.union.settle();
  check(settled);
  expect(r.upper.guarded).toBe(false);
  expect(r.upper.hasRanges).toBe(false);
  for (const path of Object.keys(content)) {
    expect(inUpper(r.upper, path)).toMatchObject({ metacopy: false, ranges: undefined });
  }
  check(settled.remount());
  check(settled.committed());
}
