// From which size on a file below is changed in part, on the mounts whose upper nobody reads without asking their server.

import type { StackDescription } from '../../fs/index.js';

/**
 * Files from this size on are not copied when they are changed: a copy takes longer than writing past the server
 * (passthrough), which a file that is in part its own does without, saves in a few thousand writes.
 */
export const PARTS_FROM = 4 << 20;

/** The stack for a mount of ours whose upper nobody reads without asking its server. */
export function withParts(stack: StackDescription): StackDescription {
  const { upper } = stack;
  return upper === undefined ? stack : { ...stack, upper: { ...upper, partsFrom: PARTS_FROM } };
}
