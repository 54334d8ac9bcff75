// An upper may be held by the server of a mount that nobody can reach: of a mount namespace whose last process has ended
// (`buildah unshare`), or unmounted lazily while somebody was in it (podman, where that is busy). Other mount programs just
// mount again; here the server gives way first, because an upper has one writer.

import { statSync } from 'node:fs';
import { isKind } from '../errors.js';
import { connectControl } from './control-socket.js';
import type { MountRow, MountTable } from './table.js';

/**
 * Has the server of the folder `upper` end if nobody can come to its mount by a path any more, and waits for that. Whoever
 * still has a file of it open gets ENOTCONN from then on. A mount that somebody can reach stays.
 */
export async function releaseUpper(upper: string, table: MountTable): Promise<void> {
  const { dev, ino } = statSync(upper);
  const rows = table.servers().filter((row) => row.upper?.device === dev && row.upper.inode === ino);
  for (const row of rows) if (await yields(row)) await table.serverGone(row);
}

async function yields({ socket = '' }: MountRow): Promise<boolean> {
  try {
    const server = await connectControl(socket);
    try {
      return (await server.ask({ op: 'yield' })).ends;
    } finally {
      server.close();
    }
  } catch (error) {
    // It is ending by itself, and is waited for by whoever opens the upper.
    if (isKind(error, 'failed-precondition')) return false;
    throw error;
  }
}
