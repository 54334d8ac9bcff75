// Random changes of a tree, for tests that hold two ways to the same answer.

import fc from 'fast-check';
import { FsError } from '../../../fs/index.js';
import type { Hands } from './hands.js';
import type { Draft } from './tar-tools.js';

export const LOWER: Draft[] = [
  { path: 'a', type: 'folder' },
  { path: 'a/a', content: 'lower a/a' },
  { path: 'a/b', type: 'folder', mode: 0o700 },
  { path: 'a/b/a', content: 'lower a/b/a', xattrs: new Map([['user.x', Buffer.from('x')]]) },
  { path: 'a/b/c', type: 'link', linkname: 'a/a' },
  { path: 'b', content: 'lower b' },
  { path: 'c', type: 'folder' },
  { path: 'c/a', type: 'symlink', linkname: '../b' },
  { path: 'c/b', content: '' },
];
export const MIDDLE: Draft[] = [
  { path: 'a/b/.wh.a', content: '' },
  { path: 'a/b/b', content: 'middle' },
  { path: 'c/.wh..wh..opq', content: '' },
  { path: 'c/c', type: 'folder' },
  { path: 'c/c/a', content: 'middle c/c/a' },
  { path: 'b', type: 'link', linkname: 'a/a' },
];

const path = fc
  .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 })
  .map((names) => names.join('/'));
export const operation = fc.oneof(
  fc.record({ do: fc.constant('write' as const), path, text: fc.string({ maxLength: 12 }) }),
  fc.record({ do: fc.constant('mkdir' as const), path }),
  fc.record({ do: fc.constant('remove' as const), path }),
  fc.record({ do: fc.constant('rename' as const), path, to: path }),
  fc.record({ do: fc.constant('link' as const), path, to: path }),
  fc.record({ do: fc.constant('chmod' as const), path, mode: fc.constantFrom(0o600, 0o4755, 0o1777) }),
  fc.record({ do: fc.constant('mark' as const), path }),
);
export type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** Does it if it can be done. */
export function attempt(work: Hands, step: Operation): void {
  try {
    if (step.do === 'write') work.write(step.path, step.text);
    else if (step.do === 'mkdir') work.mkdir(step.path);
    else if (step.do === 'remove') work.removeTree(step.path);
    else if (step.do === 'rename') work.rename(step.path, step.to);
    else if (step.do === 'link') work.link(step.path, step.to);
    else if (step.do === 'chmod') work.chmod(step.path, step.mode);
    else work.setXattr(step.path, 'user.mark', Buffer.from('y'));
  } catch (error) {
    // What a process could not do is not done here.
    if (!(error instanceof FsError) && !(error instanceof Error && / is missing$/.test(error.message)))
      throw error;
  }
}
