// Whether containers can run here, as this user: by making the namespaces of one, with a program that does nothing.

import { spawnSync } from 'node:child_process';
import { StoreError } from '../errors.js';
import { keeperWords, neededNamespaces } from './namespaces.js';

export interface ContainersHere {
  readonly ok: boolean;
  readonly why: string;
  readonly fix: string;
}

export function containersHere(): ContainersHere {
  try {
    const namespaces = neededNamespaces();
    const [command, ...words] = keeperWords(namespaces);
    const made = spawnSync(command, [...words, 'true'], { encoding: 'utf8' });
    if (made.status !== 0) {
      const why = made.stderr.trim().split('\n')[0] ?? '';
      const fix =
        'let users make namespaces: sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone';
      return { ok: false, why: `namespaces cannot be made: ${why}`, fix };
    }
    if (!namespaces.user) return { ok: true, why: 'as any user of an image', fix: '' };
    if (namespaces.manyIds) return { ok: true, why: 'as any user of an image, by subordinate ids', fix: '' };
    const fix = 'usermod --add-subuids 100000-165535 --add-subgids 100000-165535 YOU; apt-get install uidmap';
    return { ok: true, why: 'as root of an image only: this user has no subordinate ids', fix };
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return { ok: false, why: error.why, fix: error.hint ?? '' };
  }
}
