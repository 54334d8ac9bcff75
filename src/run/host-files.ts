// The files of /etc that a container has from the machine instead of from its image: they lie in the container's state
// folder and are bound over the image's, so that no commit has them.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bind } from './messages.js';

/** Writes them below `folder`. The network is the machine's: its names hold, and so do its resolvers. */
export function writeHostFiles(folder: string, hostName: string): readonly Bind[] {
  const hosts = readIfThere('/etc/hosts') ?? '127.0.0.1\tlocalhost\n';
  const resolvers = readIfThere('/etc/resolv.conf');
  const contents: readonly (readonly [string, string])[] = [
    ['hostname', `${hostName}\n`],
    ['hosts', `${hosts.trimEnd()}\n127.0.1.1\t${hostName}\n`],
    ...(resolvers === undefined ? [] : [['resolv.conf', resolvers] as const]),
  ];
  return contents.map(([name, text]) => {
    const from = join(folder, name);
    writeFileSync(from, text, { mode: 0o644 });
    return { from, to: `/etc/${name}`, readOnly: false };
  });
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
