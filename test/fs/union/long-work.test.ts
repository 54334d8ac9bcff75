import { describe, expect, test, vi } from 'vitest';
import { EIO, EROFS } from '../../../fs/errno.js';
import { type Attr, O_RDWR } from '../../../fs/filesystem.js';
import { Later, type Task } from '../../../fs/later.js';
import type { LayerFile, WritableFile } from '../../../fs/layer/layer.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { copyPieces } from '../../../fs/union/copy-data.js';
import { type LongWork, Pace } from '../../../fs/union/long-work.js';
import { errnoOf } from '../../suites/paths.js';
import { inUpper, type Rig, rig } from './stacks.js';

interface Job {
  readonly kind: 'copy' | 'sync' | 'fetch' | 'syncFilesystem';
  readonly task: Task;
  /** Does it; returns the bytes copied. */
  readonly act: () => number;
}

/** Does what it is given when the test says so. */
class HandWork implements LongWork {
  again = false;
  readonly jobs: Job[] = [];
  readonly #finished: Task[] = [];

  copy(from: LayerFile, to: WritableFile, size: number, _sync: boolean, task: Task): boolean {
    const act = () => [...copyPieces(from, to, size, 65_536)].reduce((sum, count) => sum + count, 0);
    this.jobs.push({ kind: 'copy', task, act });
    return true;
  }

  sync(file: WritableFile, dataOnly: boolean, _bytes: number, task: Task): boolean {
    const act = () => {
      file.sync(dataOnly);
      return 0;
    };
    this.jobs.push({ kind: 'sync', task, act });
    return true;
  }

  syncFilesystem(_fd: number, task: Task): boolean {
    this.jobs.push({ kind: 'syncFilesystem', task, act: () => 0 });
    return true;
  }

  fetch(_file: LayerFile, _offset: number, _length: number, task: Task): boolean {
    this.jobs.push({ kind: 'fetch', task, act: () => 0 });
    return true;
  }

  cancel(task: Task): void {
    const at = this.jobs.findIndex((job) => job.task === task);
    this.jobs.splice(at, 1);
    this.#over(task, EIO, 0);
  }

  takeFinished(): Task | undefined {
    return this.#finished.shift();
  }

  /** The first job is done, or fails. Who waited is to be served before `end`. */
  finish(errno = 0, durationMs = 0): Task {
    const { task, act } = this.jobs.shift()!;
    this.#over(task, errno, errno === 0 ? act() : 0, durationMs);
    return task;
  }

  #over(task: Task, errno: number, bytes: number, durationMs = 0): void {
    task.finish({ errno, bytes, durationMs });
    this.#finished.push(task);
  }
}

const LARGE = 'large '.repeat(400_000);

interface Aside extends Rig {
  readonly work: HandWork;
}

function aside(content = LARGE, options: Parameters<typeof rig>[1] = {}): Aside {
  const made = rig([{ d: {}, 'd/f': content, other: 'other' }], options);
  const work = new HandWork();
  made.union.workAside(work);
  return { ...made, work };
}

/** The task for which an operation waits. */
function taskOf(act: () => unknown): Task {
  const task = taskIfAny(act);
  if (task === undefined) throw new Error('it did not wait');
  return task;
}

/** undefined where it did not wait. */
function taskIfAny(act: () => unknown): Task | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof Later) return error.task;
    throw error;
  }
}

function contentOf({ paths }: Rig, path = 'd/f'): string {
  const into = new Uint8Array(LARGE.length + 1);
  const handle = paths.open(path);
  const count = paths.fs.read(handle, 0, into);
  paths.fs.release(handle);
  return new TextDecoder().decode(into.subarray(0, count));
}

const openForWriting = ({ paths }: Rig, path = 'd/f') => paths.open(path, O_RDWR);

describe('a copy-up of much data', () => {
  test('is made aside, shows nothing before it is whole, and is there when it is asked for again', () => {
    const at = aside();
    const { paths, work, upper, events } = at;
    const task = taskOf(() => openForWriting(at));
    expect(work.jobs).toHaveLength(1);
    expect(task.errno).toBeUndefined();
    expect(inUpper(upper, 'd/f')).toBeUndefined();
    expect(contentOf(at) === LARGE).toBe(true);
    expect(paths.read('other')).toBe('other');

    work.finish();
    expect(inUpper(upper, 'd/f')).toBeUndefined();
    const handle = openForWriting(at);
    task.end();
    expect(inUpper(upper, 'd/f')?.attr.size).toBe(LARGE.length);
    expect(events.at(-1)).toMatchObject({ kind: 'copy-up', path: 'd/f', bytesCopied: LARGE.length });
    paths.fs.write(handle, 0, Uint8Array.of(76), false);
    paths.fs.release(handle);
    expect(contentOf(at) === `L${LARGE.slice(1)}`).toBe(true);
  });

  test('is one for all who want it', () => {
    const at = aside();
    const task = taskOf(() => openForWriting(at));
    expect(taskOf(() => openForWriting(at))).toBe(task);
    expect(taskOf(() => at.paths.setattr('d/f', { size: 5 }))).toBe(task);
    expect(at.work.jobs).toHaveLength(1);
  });

  test('is left to others by what takes no time', () => {
    const at = aside('short');
    at.paths.fs.release(openForWriting(at));
    expect(at.work.jobs).toEqual([]);
  });

  test('that fails leaves nothing, and can be tried again', () => {
    const at = aside();
    const { paths, work, upper } = at;
    const before = upper.statfs().bfree;
    const nodes = at.union.nodeCount;
    const task = taskOf(() => openForWriting(at));
    work.finish(EIO);
    expect(task.errno).toBe(EIO);
    task.end();
    expect(upper.statfs().bfree).toBe(before);
    expect(at.union.nodeCount).toBe(nodes);
    expect(contentOf(at) === LARGE).toBe(true);

    const second = taskOf(() => openForWriting(at));
    work.finish();
    paths.fs.release(openForWriting(at));
    second.end();
    expect(inUpper(upper, 'd/f')?.attr.size).toBe(LARGE.length);
  });

  test('that nobody wants any more leaves nothing', () => {
    const at = aside();
    const before = at.upper.statfs().bfree;
    const nodes = at.union.nodeCount;
    const given = taskOf(() => openForWriting(at));
    given.abandon();
    given.end();
    const made = taskOf(() => openForWriting(at));
    at.work.finish();
    made.end();
    expect(at.upper.statfs().bfree).toBe(before);
    expect(at.union.nodeCount).toBe(nodes);
  });

  test('gives a truncation its part', () => {
    const at = aside();
    const task = taskOf(() => openForWriting(at));
    at.work.finish();
    at.paths.setattr('d/f', { size: 1_500_000 });
    task.end();
    expect(contentOf(at) === LARGE.slice(0, 1_500_000)).toBe(true);
  });

  test('is made anew for who needs more of it', () => {
    const at = aside();
    const task = taskOf(() => at.paths.setattr('d/f', { size: 1_500_000 }));
    at.work.finish();
    const second = taskOf(() => openForWriting(at));
    task.end();
    at.work.finish();
    at.paths.fs.release(openForWriting(at));
    second.end();
    expect(contentOf(at) === LARGE).toBe(true);
  });

  test('keeps neither chmod nor rename of the file waiting, and both stay', () => {
    const at = aside();
    const { paths, work } = at;
    const task = taskOf(() => openForWriting(at));
    const { ino } = paths.stat('d/f');
    paths.chmod('d/f', 0o600);
    paths.rename('d/f', 'g');
    work.finish();
    paths.fs.release(openForWriting(at, 'g'));
    task.end();
    expect(paths.stat('g')).toMatchObject({ ino, mode: 0o100600, size: LARGE.length });
    expect(contentOf(at, 'g') === LARGE).toBe(true);
  });

  test('becomes that of a file without a name when the name goes meanwhile', () => {
    const at = aside();
    const { paths, work, upper } = at;
    const node = paths.node('d/f');
    const task = taskOf(() => paths.fs.open(node, O_RDWR));
    paths.unlink('d/f');
    work.finish();
    const handle = paths.fs.open(node, O_RDWR);
    task.end();
    paths.fs.write(handle, 0, Uint8Array.of(76), false);
    const into = new Uint8Array(6);
    paths.fs.read(handle, 0, into);
    expect(new TextDecoder().decode(into)).toBe('Large ');
    expect(inUpper(upper, 'd/f')?.whiteout).toBe(true);
    paths.fs.release(handle);
    paths.fs.forget(node, 1);
    expect(paths.exists('d/f')).toBe(false);
  });

  test('has no say in who settles meanwhile', () => {
    const at = aside();
    const { paths, work, union } = at;
    const task = taskOf(() => openForWriting(at));
    paths.chmod('d/f', 0o600);
    expect(union.settle()).toBe(true);
    expect(inUpper(at.upper, 'd/f')).toMatchObject({ metacopy: false });
    work.finish();
    paths.fs.release(openForWriting(at));
    task.end();
    expect(contentOf(at) === LARGE).toBe(true);
  });

  test('comes to nothing when the upper is frozen meanwhile', () => {
    const at = aside();
    const before = at.upper.statfs().bfree;
    const task = taskOf(() => openForWriting(at));
    at.union.freeze();
    at.work.finish();
    expect(errnoOf(() => openForWriting(at))).toBe(EROFS);
    task.end();
    expect(at.upper.statfs().bfree).toBe(before);
    expect(contentOf(at) === LARGE).toBe(true);
  });
});

describe('a copy-up that is under way', () => {
  test.each(['committed', 'thrown away'] as const)('begins anew when the upper is %s meanwhile', (how) => {
    const at = aside();
    const task = taskOf(() => openForWriting(at));
    const fresh = new MemLayer({ id: 'fresh', device: 'disk', numbers: { last: 1000 } });
    if (how === 'committed') at.union.switchUpper(fresh, [], () => undefined);
    else at.union.rollBack(fresh, () => undefined);
    at.work.finish();
    const again = taskOf(() => openForWriting(at));
    task.end();
    at.work.finish();
    const handle = openForWriting(at);
    again.end();
    at.paths.fs.write(handle, 0, Uint8Array.of(76), false);
    at.paths.fs.release(handle);
    expect(contentOf(at) === `L${LARGE.slice(1)}`).toBe(true);
    expect(inUpper(fresh, 'd/f')?.attr.size).toBe(LARGE.length);
    expect(inUpper(at.upper, 'd/f')).toBeUndefined();
  });
});

describe('data of a copy without data', () => {
  test('is fetched aside, and what is changed meanwhile stays', () => {
    const at = aside();
    const { paths, work, upper, union } = at;
    const { ino } = paths.stat('d/f');
    paths.setattr('d/f', { uid: 7, mode: 0o640 });
    const folder = paths.stat('d');
    const nodes = union.nodeCount;
    const task = taskOf(() => openForWriting(at));
    expect(inUpper(upper, 'd/f')).toMatchObject({ metacopy: true });
    expect(contentOf(at) === LARGE).toBe(true);
    paths.setattr('d/f', { uid: 8, gid: 9 });
    paths.chmod('d/f', 0o6711);
    paths.setattr('d/f', { mtime: { sec: 12, nsec: 34 } });
    paths.setxattr('d/f', 'user.a', 'value');
    work.finish();
    paths.fs.release(openForWriting(at));
    task.end();

    const wanted = { ino, uid: 8, gid: 9, mode: 0o106711, mtimeSec: 12, mtimeNsec: 34, nlink: 1 };
    expect(inUpper(upper, 'd/f')).toMatchObject({ metacopy: false, redirect: undefined });
    for (const shown of [at, at.remount()]) {
      expect(shown.paths.stat('d/f')).toMatchObject({ ...wanted, size: LARGE.length });
      expect(shown.paths.getxattr('d/f', 'user.a')).toBe('value');
      expect(contentOf(shown) === LARGE).toBe(true);
    }
    expect(paths.stat('d')).toMatchObject({ mtimeSec: folder.mtimeSec, mtimeNsec: folder.mtimeNsec });
    expect(union.nodeCount).toBe(nodes);
  });

  test('goes to where the file has been moved', () => {
    const at = aside();
    at.paths.chmod('d/f', 0o600);
    const task = taskOf(() => openForWriting(at));
    at.paths.rename('d/f', 'g');
    at.work.finish();
    at.paths.fs.release(openForWriting(at, 'g'));
    task.end();
    expect(contentOf(at, 'g') === LARGE).toBe(true);
    expect(at.paths.ls('d')).toEqual([]);
    expect(inUpper(at.upper, 'g')).toMatchObject({ metacopy: false, redirect: undefined });
  });

  test('is fetched in part for a truncation', () => {
    const at = aside();
    at.paths.chmod('d/f', 0o600);
    const task = taskOf(() => at.paths.setattr('d/f', { size: 1_500_000 }));
    at.work.finish();
    at.paths.setattr('d/f', { size: 1_500_000 });
    task.end();
    expect(contentOf(at) === LARGE.slice(0, 1_500_000)).toBe(true);
    expect(contentOf(at.remount()) === LARGE.slice(0, 1_500_000)).toBe(true);
  });

  test('that cannot be fetched lies below as before', () => {
    const at = aside();
    at.paths.chmod('d/f', 0o600);
    const before = at.upper.statfs().bfree;
    const task = taskOf(() => openForWriting(at));
    at.work.finish(EIO);
    task.end();
    expect(at.upper.statfs().bfree).toBe(before);
    expect(inUpper(at.upper, 'd/f')).toMatchObject({ metacopy: true });
    expect(contentOf(at) === LARGE).toBe(true);
  });

  test('is fetched at once, into the object itself, where that has further names', () => {
    const at = aside();
    at.paths.chmod('d/f', 0o600);
    at.paths.link('d/f', 'g');
    at.paths.writeAt('d/f', 0, 'L');
    expect(at.work.jobs).toEqual([]);
    expect(contentOf(at, 'g') === `L${LARGE.slice(1)}`).toBe(true);
  });
});

describe('fsync', () => {
  test('of much data is made aside, of little at once', () => {
    const { paths, work } = aside();
    const handle = paths.create('new');
    paths.fs.write(handle, 0, new Uint8Array(100), false);
    paths.fs.fsync(handle, false);
    expect(work.jobs).toEqual([]);

    paths.fs.write(handle, 0, new Uint8Array(2 << 20), false);
    const task = taskOf(() => paths.fs.fsync(handle, true));
    expect(work.jobs.map(({ kind }) => kind)).toEqual(['sync']);
    work.finish();
    work.again = true;
    paths.fs.fsync(handle, true);
    work.again = false;
    task.end();
    paths.fs.fsync(handle, false);
    expect(work.jobs).toEqual([]);
    paths.fs.release(handle);
  });

  test('is made aside as long as the last ones took long', () => {
    const { paths, work } = aside();
    const handle = paths.create('new');
    let took = 0;
    const now = vi.spyOn(performance, 'now').mockImplementation(() => (took += 5));
    let atOnce = 0;
    while (taskIfAny(() => paths.fs.fsync(handle, false)) === undefined) atOnce++;
    now.mockRestore();
    expect(atOnce).toBe(4);
    let wentAside = 0;
    do {
      work.finish(0, 0.1);
      wentAside++;
    } while (taskIfAny(() => paths.fs.fsync(handle, false)) !== undefined);
    expect(wentAside).toBe(6);
    expect(work.jobs).toEqual([]);
    paths.fs.release(handle);
  });
});

describe('a pace', () => {
  const slowAfter = (pace: Pace, ...durations: readonly number[]) =>
    durations.map((durationMs) => {
      pace.note(durationMs);
      return pace.slow;
    });

  test('is not slow because of one that took long', () => {
    expect(slowAfter(new Pace(), 3000, 0, 0, 3000, 0)).toEqual([false, false, false, false, false]);
  });

  test('is slow when most took long, until most do not', () => {
    const pace = new Pace();
    expect(slowAfter(pace, 9, 9, 9)).toEqual([false, false, true]);
    expect(slowAfter(pace, 0, 0, 9)).toEqual([true, true, true]);
    expect(slowAfter(pace, ...Array<number>(8).fill(0)).at(-1)).toBe(false);
  });

  test('may be slow from the start', () => {
    const pace = new Pace(true);
    expect(pace.slow).toBe(true);
    expect(slowAfter(pace, ...Array<number>(16).fill(0)).at(-1)).toBe(false);
  });
});

test('attributes of a file are as before while its copy is made', () => {
  const at = aside();
  const before: Attr = at.paths.stat('d/f');
  taskOf(() => openForWriting(at));
  expect(at.paths.stat('d/f')).toEqual(before);
});
