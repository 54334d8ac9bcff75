// An upper on a filesystem that fails on command, under a mount as users make it: whoever asked for the change is told
// why, everything is as it was, also for the next mount, and the change works when it is tried again.

import {
  chmodSync,
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { EDQUOT, EIO, ENOSPC } from '../../fs/index.js';
import { difference } from '../faults/difference.js';
import { Scratch } from '../program.js';
import { describeWith } from '../requires.js';
import { runs } from '../runs.js';
import { CHANGES_HALFWAY, type Change, fillLower, seen } from './failing-fs/changes.js';
import { FailingFilesystem, type Failure } from './failing-fs/failing.js';

type Way = Omit<Failure, 'at'>;

const WAYS: Readonly<Record<string, Way>> = {
  'EDQUOT once': { errno: EDQUOT, later: 'nothing' },
  'EIO once': { errno: EIO, later: 'nothing' },
  'ENOSPC once': { errno: ENOSPC, later: 'nothing' },
  'EDQUOT from there on': { errno: EDQUOT, later: 'space' },
  'EIO from there on': { errno: EIO, later: 'all' },
};

/** What is tried on one disk: every request of the changes fails in one of the ways, in turn. */
interface Round {
  readonly name: string;
  /** Whether rename(2) of the disk can leave a whiteout; else only what is different there is tried. */
  readonly whiteouts: boolean;
  readonly ways: readonly Way[];
}

const ROUNDS: readonly Round[] = [true, false].flatMap((whiteouts): Round[] => {
  const disk = whiteouts ? 'whiteouts by rename' : 'without them';
  if (runs(1) === 1) return [{ name: `in turn, ${disk}`, whiteouts, ways: Object.values(WAYS) }];
  return Object.entries(WAYS).map(([name, way]) => ({ name: `${name}, ${disk}`, whiteouts, ways: [way] }));
});

/** Folders for each change: one for it without a failure, and more than it makes requests. */
const COPIES = 48;

/** A change that was tried in its folder. */
interface Tried {
  readonly change: Change;
  readonly folder: string;
  readonly way: Way;
  readonly done: boolean;
  /** What is to be seen there from now on, and when the change is done. */
  readonly now: readonly string[];
  readonly after: readonly string[];
}

function errnoOf(act: () => void): number {
  try {
    act();
    return 0;
  } catch (error) {
    return Math.abs((error as { errno: number }).errno);
  }
}

describeWith(['root', 'fuse'], 'an upper on a filesystem that fails', () => {
  let lower: Scratch;
  let scratch: Scratch;
  let failing: FailingFilesystem | undefined;
  beforeAll(() => {
    lower = new Scratch('failing-lower');
    fillLower(lower.base, COPIES);
  });
  afterAll(() => lower.remove());
  beforeEach(() => {
    scratch = new Scratch('failing');
    for (const name of ['disk', 'mnt']) scratch.folder(name);
  });
  afterEach(async () => {
    // The mount above first: it may wait for the one below.
    scratch.try('umount', '--lazy', scratch.path('mnt'));
    await failing?.end();
    failing = undefined;
    scratch.remove();
  });

  async function mountDisk(whiteouts: boolean): Promise<FailingFilesystem> {
    failing = await new FailingFilesystem(scratch.path('disk'), whiteouts).live();
    for (const name of ['upper', 'work']) scratch.folder(`disk/${name}`);
    return failing;
  }

  function mount(): void {
    const [upper, work] = ['disk/upper', 'disk/work'].map((name) => scratch.path(name)) as [string, string];
    scratch.mica('mount', '--lower', lower.base, '--upper', upper, '--work', work, scratch.path('mnt'));
  }

  function unmount(): void {
    scratch.mica('umount', scratch.path('mnt'));
  }

  const inFolder = (folder: string) => (name: string) => scratch.path('mnt', folder, name);
  const attempt = (change: Change, folder: string) => errnoOf(() => change.act(inFolder(folder)));
  const lookAfter = (folder: string) =>
    seen(scratch.path('mnt', folder), { numbers: false, times: 'of files' });

  /** What lies in the work folder but the whiteout that others are links of, and the guard. */
  function rubbish(): string[] {
    const left = readdirSync(scratch.path('disk/work/work'), { withFileTypes: true });
    return left
      .filter((entry) => !entry.isCharacterDevice() && entry.name !== 'incompat')
      .map(({ name }) => name);
  }

  it.each(ROUNDS)('whoever asks is told why, and all is left as it was: $name', async (round) => {
    const problems: string[] = [];
    const expectSame = (what: string, is: readonly unknown[], wanted: readonly unknown[]) => {
      if (JSON.stringify(is) !== JSON.stringify(wanted)) problems.push(`${what}: ${difference(is, wanted)}`);
    };
    const disk = await mountDisk(round.whiteouts);
    mount();

    const look = (folder: string, change: Change, { later }: Way) => {
      // A step that is taken back shows in the times of folders, and a dying disk may keep any time from being set back.
      const inSteps = change.inSteps === true && !round.whiteouts;
      const times = later !== 'nothing' ? 'none' : inSteps ? 'of files' : 'all';
      return seen(scratch.path('mnt', folder), { numbers: true, times });
    };
    const tried = CHANGES_HALFWAY.flatMap((change, number): Tried[] => {
      const all: Tried[] = [];
      if (!round.whiteouts && change.inSteps !== true) return all;
      change.prepare?.(inFolder(`${number}-0`));
      expect(attempt(change, `${number}-0`)).toBe(0);
      const after = lookAfter(`${number}-0`);
      for (let at = 0; ; at++) {
        const folder = `${number}-${at + 1}`;
        const way = round.ways[(number + at) % round.ways.length] as Way;
        change.prepare?.(inFolder(folder));
        const before = look(folder, change, way);
        const rubbishBefore = rubbish();
        disk.fail({ at, ...way });
        const errno = attempt(change, folder);
        const requests = disk.heal();
        if (requests.length <= at) {
          expect(errno).toBe(0);
          return all;
        }
        const isSecondStep = [at - 1, at].every((step) => /^(rename|replace)$/.test(requests[step] ?? ''));
        // A dead disk does not let the first of two steps be taken back either.
        if (!round.whiteouts && isSecondStep && way.later === 'all') continue;
        const what = `${change.name}, ${way.errno} from ${requests[at]} (${at} of ${requests.join(' ')})`;
        let done = errno === 0;
        const expectDone = (when: string) => expectSame(`${what}: ${when}`, lookAfter(folder), after);
        if (done) expectDone('done');
        else {
          expectSame(`${what}: errno`, [errno], [way.errno]);
          expectSame(`${what}: seen at once`, look(folder, change, way), before);
          if (way.later === 'nothing') expectSame(`${what}: work folder`, rubbish(), rubbishBefore);
        }
        // The others are tried again by the next mount.
        if (!done && (at & 1) !== 0) {
          expectSame(`${what}: tried again`, [attempt(change, folder)], [0]);
          expectDone('tried again');
          done = true;
        }
        all.push({ change, folder, way, done, now: done ? look(folder, change, way) : before, after });
      }
    });

    expect(tried.length).toBeGreaterThan(50);
    unmount();
    mount();
    for (const { change, folder, way, done, now, after } of tried) {
      const what = `${change.name}, in ${folder}, mounted again`;
      const is = look(folder, change, way);
      expectSame(what, is, now);
      if (!done) expectSame(`${what} and tried again`, [attempt(change, folder)], [0]);
      expectSame(`${what} and done`, lookAfter(folder), after);
    }
    unmount();
    expect(problems).toEqual([]);
  });

  it('fails as well at what only the first whiteout and the first file without data of an upper ask for', async () => {
    const disk = await mountDisk(true);
    mount();
    const at = inFolder('0-0');
    writeFileSync(at('d/sub/new'), '');
    for (const [first, act] of [
      ['mknod', () => unlinkSync(at('d/sub/x'))],
      ['mkdir', () => chmodSync(at('f'), 0o600)],
    ] as const) {
      const before = seen(at('.'), { numbers: true, times: 'all' });
      const failed: string[] = [];
      for (;;) {
        disk.fail({ at: failed.length, errno: EDQUOT, later: 'nothing' });
        const errno = errnoOf(act);
        failed.push(disk.heal()[failed.length] ?? 'none');
        if (errno === 0) break;
        expect(errno).toBe(EDQUOT);
        expect(seen(at('.'), { numbers: true, times: 'all' })).toEqual(before);
      }
      expect(failed.length).toBeGreaterThan(2);
      expect(failed).toContain(first);
    }
    unmount();
  });

  it('tells who asks for it that an fsync failed', async () => {
    const disk = await mountDisk(true);
    mount();
    const path = inFolder('0-0')('f');
    const fd = openSync(path, 'r+');
    try {
      writeSync(fd, 'new', 0);
      disk.fail({ at: 0, errno: EIO, later: 'nothing' });
      expect(() => fsyncSync(fd)).toThrow('EIO');
      expect(disk.heal()).toEqual(['fsync']);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    expect(readFileSync(path, 'utf8')).toBe('newtent of f');
    unmount();
  });
});
