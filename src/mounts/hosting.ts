// What serves a FUSE mount, by what was asked for (hosting-words.ts).

import { existsSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { StoreError } from '../errors.js';
import { ensureStateFolder } from '../root-folder.js';
import { type Hosting, meantBy } from './hosting-words.js';
import { JoinedHost } from './join-host.js';
import { BegunHost, type MountHost } from './start.js';
import { MountTable } from './table.js';

/** What is to serve a mount at `target` (absolute, without symlinks), in a state folder that is there. */
export function hostFor(hosting: Hosting, state: string, target: string, transport: string): MountHost {
  const meant = isDevice(transport) ? meantBy(hosting, new MountTable(state).size) : 'own';
  return meant === 'own' ? new BegunHost(state, target, transport) : new JoinedHost(state);
}

/**
 * A host for a mount that is about to be asked for at the folder `target`; undefined where something stands against it,
 * which is found and named by whoever mounts.
 */
export function hostAhead(
  hosting: Hosting,
  state: string,
  target: string,
  transport: string,
): MountHost | undefined {
  if (!existsSync('/dev/fuse') || !isDevice(transport)) return undefined;
  try {
    const place = realpathSync(resolve(target));
    ensureStateFolder(state);
    return hostFor(hosting, state, place, transport);
  } catch (error) {
    if (error instanceof StoreError || typeof (error as NodeJS.ErrnoException).code === 'string')
      return undefined;
    throw error;
  }
}

function isDevice(transport: string): boolean {
  return process.platform === 'linux' && (transport === 'auto' || transport === 'device');
}
