// Performs mounts that came as data: what `Snapshotter.mounts` returns, here or on the other side of a socket.
// In order, and undone in reverse if one fails; what is mounted below a place goes with it.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { fromText, sys } from '../../fs/index.js';
import { mountPlan, planFromWords } from '../../native-fallback/index.js';
import { StoreError } from '../errors.js';
import type { Mount } from './mount.js';
import { mountFailure } from './mount-failure.js';
import { parseMountWords } from './mount-words.js';
import { readMounts } from './mountinfo.js';

/** mount(2) copies one page of options. */
const OPTIONS_MAX = 4095;
/** How long what a failed program leaves behind may keep its standard error open. */
const LAST_WORDS_MS = 1000;
const FUSE_TYPE = /^fuse3?\.(.+)$/s;

/** Mounts all of `mounts` at the folder `target` (absolute), or none. */
export async function mountAll(mounts: readonly Mount[], target: string): Promise<void> {
  const done: string[] = [];
  try {
    for (const mount of mounts) {
      const place = placeOf(mount, target);
      await mountOne(mount, place);
      done.push(place);
    }
  } catch (error) {
    for (const place of done.reverse()) alsoAfter(error, () => unmountPlace(place, true));
    throw error;
  }
}

/** Unmounts everything at and below `target`, topmost first. Nothing mounted there is no error. */
export function unmountAll(target: string, lazy = false): void {
  const mounts = readMounts() ?? [];
  const below = mounts.filter((mount) => mount.target === target || mount.target.startsWith(target + sep));
  for (const mount of below.reverse()) unmountPlace(mount.target, lazy);
}

/** Runs `use` with the mounts at a temporary folder, which are gone afterwards. */
export async function withTempMount<T>(
  mounts: readonly Mount[],
  use: (target: string) => Promise<T>,
): Promise<T> {
  const target = mkdtempSync(join(tmpdir(), 'mica-mount-'));
  const end = (): void => {
    unmountAll(target);
    rmdirSync(target);
  };
  let result: T;
  try {
    await mountAll(mounts, target);
    result = await use(target);
  } catch (error) {
    alsoAfter(error, end);
    throw error;
  }
  end();
  return result;
}

/** Undoes something after a failure, which its caller is told of, whatever becomes of the undoing: that is a warning. */
function alsoAfter(failure: unknown, undo: () => void): void {
  try {
    undo();
  } catch (error) {
    if (error !== failure) process.emitWarning(error as Error);
  }
}

/** Takes one mount away: by the kernel where this process may, else by FUSE's helper. */
export function unmountPlace(target: string, lazy = false): void {
  try {
    if (sys.hasCapability(sys.CAP_SYS_ADMIN)) {
      sys.unmount(fromText(target), sys.UMOUNT_NOFOLLOW | (lazy ? sys.MNT_DETACH : 0));
    } else {
      sys.unmountWithHelper(fromText(target), lazy);
    }
  } catch (error) {
    throw mountFailure(`cannot unmount ${target}`, error);
  }
}

function placeOf(mount: Mount, target: string): string {
  if (mount.target === undefined || mount.target === '') return target;
  const place = join(target, mount.target);
  if (place.startsWith(target + sep)) return place;
  const what = `cannot mount at ${mount.target}`;
  throw new StoreError('invalid-argument', what, 'it leads out of the mount point');
}

async function mountOne(mount: Mount, target: string): Promise<void> {
  const helper = FUSE_TYPE.exec(mount.type)?.[1];
  try {
    if (helper !== undefined) await runHelper(helper, mount, target);
    else mountByKernel(mount, target);
  } catch (error) {
    throw mountFailure(`cannot mount at ${target}`, error);
  }
}

function mountByKernel({ type, source, options }: Mount, target: string): void {
  const { flags, data } = parseMountWords(options);
  if ((flags & sys.MS_BIND) !== 0) {
    sys.mount(fromText(source), fromText(target), '', flags & (sys.MS_BIND | sys.MS_REC), '');
    // The first call ignores every other flag (mount(2), "Creating a bind mount").
    const rest = flags & ~sys.MS_REC;
    if (rest !== sys.MS_BIND) remount(target, rest | sys.MS_REMOUNT);
    return;
  }
  const words = fromText(data.join(','));
  if (type === 'overlay' && words.length > OPTIONS_MAX) {
    mountPlan(planFromWords(data, (flags & sys.MS_RDONLY) !== 0), target);
    return;
  }
  sys.mount(fromText(source), fromText(target), fromText(type), flags, words);
}

function remount(target: string, flags: number): void {
  try {
    sys.mount('', fromText(target), '', flags, '');
  } catch (error) {
    unmountPlace(target, true);
    throw error;
  }
}

/**
 * Runs a FUSE program as mount.fuse3 does for a type `fuse3./path/to/it`: `PROGRAM SOURCE TARGET -o OPTIONS`. It
 * ends with 0 when the mount is live. Its daemon may keep the pipe open, so its exit is waited for, not the end
 * of its output; of one that failed, that as well, because what it said may come after its exit.
 */
async function runHelper(program: string, mount: Mount, target: string): Promise<void> {
  const options = process.geteuid?.() === 0 ? [...mount.options, 'dev', 'suid'] : mount.options;
  const words = [mount.source, target, ...(options.length > 0 ? ['-o', options.join(',')] : [])];
  const child = spawn(program, words, { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  child.stderr.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const closed = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  if (code !== 0) {
    const tooLate = setTimeout(() => child.stderr.destroy(), LAST_WORDS_MS);
    await closed;
    clearTimeout(tooLate);
  }
  child.stderr.destroy();
  if (code === 0) return;
  const why = text.trim().split('\n')[0] ?? '';
  throw new StoreError(
    'failed',
    `cannot mount at ${target}`,
    why === '' ? `${program} ended with ${code}` : why,
  );
}
