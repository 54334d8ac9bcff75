// How the server of a mount ends it when it is told to, by a signal or because nobody waits for it any more.

import { faultText } from './host-report.js';
import type { ServedMount } from './serve.js';

type Note = (text: string) => void;

/**
 * Unmounts. Where files are still open, or `again`, the mount is out of sight now, and gone with its last user. That fails
 * where somebody else has unmounted it in the same moment, which is told to `note` and ends no process.
 */
export async function endMount(mount: ServedMount, again: boolean, note: Note): Promise<void> {
  try {
    await mount.unmount(again).catch(() => mount.unmount(true));
  } catch (error) {
    note(`${faultText(error)}\n`);
  }
}

/** Ends the mount with SIGTERM and SIGINT from now on. Returns what does the same as such a signal. */
export function endOnSignal(mount: ServedMount, note: Note): () => void {
  let again = false;
  const end = (): void => {
    void endMount(mount, again, note);
    again = true;
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, end);
  return end;
}
