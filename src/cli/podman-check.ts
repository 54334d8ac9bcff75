// The check of `mica doctor` on podman and buildah, which read one storage.conf: whether they mount by this program, and
// have what a rootless user needs for it. Nothing is run: podman would make a storage on being asked.

import { readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { hasRange, namesOfUser, RANGE_FILES } from '../subordinate-ids.js';
import type { Check } from './checks.js';

/** Who asks, and where what is asked for lies. */
export interface PodmanPlaces {
  /** Of storage.conf, the first that is there counts (containers-storage.conf(5)). */
  readonly configs: readonly string[];
  /** The ranges of subordinate ids; absent for root, who needs none. */
  readonly ranges?: { readonly files: readonly string[]; readonly names: readonly string[] };
}

/** Those of this user. */
export function podmanPlaces(environment: NodeJS.ProcessEnv = process.env): PodmanPlaces {
  const told = environment['CONTAINERS_STORAGE_CONF'] || undefined;
  const system = ['/etc/containers/storage.conf', '/usr/share/containers/storage.conf'];
  if (process.getuid?.() === 0) return { configs: told === undefined ? system : [told] };
  const { HOME: home, XDG_CONFIG_HOME: base } = environment;
  // A variable that is empty counts as one that is not set (XDG Base Directory Specification).
  const folder = base || (home && join(home, '.config'));
  const own = folder ? [join(folder, 'containers/storage.conf')] : [];
  return {
    configs: told === undefined ? [...own, ...system] : [told],
    ranges: { files: RANGE_FILES, names: namesOfUser() },
  };
}

/** `isProgram`: whether a name is one that this user may run. */
export function podmanCheck({ configs, ranges }: PodmanPlaces, isProgram: (name: string) => boolean): Check {
  const no = (why: string, fix: string): Check => ({ check: 'engine podman', ok: false, why, fix });
  const paste = `mica serve --print-config podman, into ${configs[0]}`;
  let config: string | undefined;
  let program: string | undefined;
  try {
    config = configs.find((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true);
    if (config === undefined) return no('there is no storage.conf', paste);
    program = mountProgramIn(readFileSync(config, 'utf8'));
  } catch (error) {
    return no(error instanceof Error ? error.message : String(error), 'ask again as root');
  }
  if (program === undefined) return no(`no mount_program in ${config}`, paste);
  if (basename(program) !== 'mica-overlayfs') return no(`it mounts by ${program} (${config})`, paste);
  if (!isProgram(program)) return no(`there is no program ${program} (${config})`, paste);
  for (const path of ranges === undefined ? [] : ranges.files) {
    const names = ranges?.names ?? [];
    if (hasRange(path, names)) continue;
    return no(`${names[0]} has no ids in ${path}`, `usermod --add-subuids and --add-subgids (as root)`);
  }
  if (ranges !== undefined && !isProgram('newuidmap'))
    return no('there is no newuidmap', 'apt install uidmap');
  return { check: 'engine podman', ok: true, why: `it mounts by ${program}`, fix: '' };
}

/** Of the storage's own tables; a comment says nothing. */
function mountProgramIn(text: string): string | undefined {
  return /^\s*mount_program\s*=\s*["']([^"']+)["']/m.exec(text)?.[1];
}
