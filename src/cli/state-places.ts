// Where sockets, pid files and the mount table lie when nobody says so: one answer for `mica` and for `mica-overlayfs`,
// which engines start inside user namespaces, because each looks there for what the other has mounted.

import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';

/** Who asks. */
interface User {
  /** In this user namespace. */
  readonly uid: number;
  /** Outside of it, where not everybody is 0. */
  readonly outside: number;
  /** There are ids that this namespace has no number for: its root is not the machine's. */
  readonly isInside: boolean;
}

/** The user of this process. Read here, because fs/ is loaded when there is something to do for it. */
export function thisUser(): User {
  const uid = process.getuid?.() ?? 0;
  const path = '/proc/self/uid_map';
  const lines = existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
  const spans = lines.map((line) => line.trim().split(/\s+/).map(Number));
  const isInside = spans.length > 0 && !spans.some(([first, , count]) => first === 0 && count === ALL_IDS);
  const [first = 0, outside = 0] =
    spans.find(([first = 0, , count = 0]) => uid >= first && uid < first + count) ?? [];
  return { uid, outside: uid - first + outside, isInside };
}

/** The length of user_namespaces(7)'s map of the machine's own namespace. */
const ALL_IDS = 4294967295;

/**
 * The folders, the first choice first. Root of a user namespace may have /run to itself, as in a container, or see that of
 * the machine, as under `podman unshare`, where the folder of the session is what both sides know.
 */
export function statePlaces(
  runtime: string | undefined,
  user: User = thisUser(),
): readonly [string, ...string[]] {
  const ofRoot = user.uid === 0 ? ['/run/mica'] : [];
  // XDG base directories are taken only when absolute (their specification says to ignore others).
  const ofSession = runtime !== undefined && isAbsolute(runtime) ? [join(runtime, 'mica')] : [];
  const places = user.isInside ? [...ofSession, ...ofRoot] : [...ofRoot, ...ofSession];
  const last = join(tmpdir(), `mica-${user.outside}`);
  const [first = last, ...others] = [...places, last];
  return [first, ...others];
}

/** The place to look in. What a user namespace may not write to, nobody has mounted by from inside it. */
export function statePlace(runtime: string | undefined, user: User = thisUser()): string {
  const places = statePlaces(runtime, user);
  const found = places.find((place) => !user.isInside || isOpen(existsSync(place) ? place : dirname(place)));
  return found ?? places[0];
}

function isOpen(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}
