// Whatever is done to a tree, its layer, written and unpacked again, must show the same tree; and looking only at
// what the layer holds must find what looking at everything finds.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FsError } from '../../../fs/index.js';
import { changesBetween } from '../../../src/diff/changes.js';
import { layerOf } from '../../../src/diff/differ.js';
import { runs } from '../../runs.js';
import { type Draft, readTar, writeTar } from './tar-tools.js';
import { Work } from './work.js';

const RUNS = runs(150);

const LOWER: Draft[] = [
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
const MIDDLE: Draft[] = [
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
const operation = fc.oneof(
  fc.record({ do: fc.constant('write' as const), path, text: fc.string({ maxLength: 12 }) }),
  fc.record({ do: fc.constant('mkdir' as const), path }),
  fc.record({ do: fc.constant('remove' as const), path }),
  fc.record({ do: fc.constant('rename' as const), path, to: path }),
  fc.record({ do: fc.constant('link' as const), path, to: path }),
  fc.record({ do: fc.constant('chmod' as const), path, mode: fc.constantFrom(0o600, 0o4755, 0o1777) }),
  fc.record({ do: fc.constant('mark' as const), path }),
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** Does it if it can be done. */
function attempt(work: Work, step: Operation): void {
  try {
    if (step.do === 'write') work.write(step.path, step.text);
    else if (step.do === 'mkdir') work.mkdir(step.path);
    else if (step.do === 'remove') work.removeTree(step.path);
    else if (step.do === 'rename') work.rename(step.path, step.to);
    else if (step.do === 'link') work.link(step.path, step.to);
    else if (step.do === 'chmod') work.chmod(step.path, step.mode);
    else work.union.setxattr(work.node(step.path), 'user.mark', Buffer.from('y'), 0, false);
  } catch (error) {
    // What a process could not do is not done here.
    if (!(error instanceof FsError) && !(error instanceof Error && / is missing$/.test(error.message)))
      throw error;
  }
}

test('a layer unpacked again shows the tree that it was written of', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 14 }), async (steps) => {
      const work = await Work.begin(LOWER, MIDDLE);
      for (const step of steps) attempt(work, step);
      expect(await work.roundTrip()).toEqual([]);
      const listed = (changes: ReturnType<typeof changesBetween>) =>
        changes.map(({ op, path }) => `${op} ${path}`);
      expect(listed(work.changes())).toEqual(listed(changesBetween(work.below(), work.union)));
      const walked: Uint8Array[] = [];
      for await (const chunk of layerOf({ from: work.below(), to: work.union })) walked.push(chunk);
      expect(Buffer.concat(walked).equals(await work.tar())).toBe(true);
    }),
    { numRuns: RUNS },
  );
});

test('settling an upper changes nothing of what it shows and what it writes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 14 }), async (steps) => {
      const work = await Work.begin(LOWER, MIDDLE);
      for (const step of steps) attempt(work, step);
      const before = readTar(await work.tar());
      work.union.settle();
      expect(readTar(await work.tar())).toEqual(before);
    }),
    { numRuns: RUNS / 2 },
  );
});

test('it does not matter where in the archive the whiteouts stand', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { maxLength: 14 }),
      fc.infiniteStream(fc.nat(1000)),
      async (steps, places) => {
        const work = await Work.begin(LOWER, MIDDLE);
        for (const step of steps) attempt(work, step);
        const entries = readTar(await work.tar());
        const isMark = ({ path }: Draft) => /(?:^|\/)\.wh\./.test(path);
        const shuffled: Draft[] = entries.filter((entry) => !isMark(entry));
        for (const mark of entries.filter(isMark)) {
          shuffled.splice(places.next().value % (shuffled.length + 1), 0, mark);
        }
        expect(await work.differencesTo(writeTar(shuffled))).toEqual([]);
      },
    ),
    { numRuns: RUNS / 2 },
  );
});
