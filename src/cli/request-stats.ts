// What a mount made with --stats tells at its end: how many requests of each kind there were, and how long they took.

import type { RequestTime } from '../../fs/index.js';
import { connectControl } from '../mounts/control-socket.js';
import type { MountRow } from '../mounts/table.js';
import { tableText } from './output.js';

export type Stats = Readonly<Record<string, RequestTime>>;

/** Asks the server; undefined for a mount without --stats, and for one whose server is gone. */
export async function statsOf({ stats, socket }: MountRow): Promise<Stats | undefined> {
  if (stats !== true || socket === undefined) return undefined;
  try {
    const control = await connectControl(socket);
    try {
      return (await control.ask({ op: 'status' })).times;
    } finally {
      control.close();
    }
  } catch {
    // Whoever ends a mount is not kept from it by a server that cannot tell.
    return undefined;
  }
}

/** A line for each kind, what took longest first. */
export function statsText(stats: Stats): string {
  const kinds = Object.entries(stats).toSorted(([, a], [, b]) => b.totalNs - a.totalNs);
  return tableText(
    ['REQUEST', 'COUNT', 'TOTAL', 'MEAN', 'LONGEST'],
    kinds.map(([kind, { count, totalNs, maxNs }]) => [
      kind,
      String(count),
      durationText(totalNs),
      durationText(totalNs / count),
      durationText(maxNs),
    ]),
  ).trimEnd();
}

function durationText(ns: number): string {
  if (ns < 1e6) return `${(ns / 1e3).toFixed(1)} us`;
  return ns < 1e9 ? `${(ns / 1e6).toFixed(1)} ms` : `${(ns / 1e9).toFixed(2)} s`;
}
