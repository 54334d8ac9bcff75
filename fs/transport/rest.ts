// What a thread does when nobody asks it for anything: its garbage is collected, what is left is packed together, and the
// memory goes back to the system. A thread in the loop of its mount never gives V8 the time to do so by itself, and many
// threads in one process are what they keep (a third of a mount's memory). Asked for by V8's own protocol, as by the
// button of its developer tools; gc() would need a flag that all compiled code depends on, and packs nothing.

import { getHeapStatistics } from 'node:v8';
import { trimMemory } from '../sys/index.js';

/** What is not worth the work: some 50 ms. */
const WORTH_BYTES = 1 << 20;

/** Longer than any collection takes: somebody may have come to wait. */
const AT_MOST_MS = 2000;

/** Physical bytes of this thread's heap after it was collected. */
let packed = 0;

/** Gives back what this thread and the C library keep for later, if it is worth it. */
export async function rest(): Promise<void> {
  if (getHeapStatistics().total_physical_size - packed > WORTH_BYTES) {
    await collectGarbage();
    packed = getHeapStatistics().total_physical_size;
  }
  trimMemory();
}

/** Collects this thread's garbage as after a warning of low memory; nothing where Node is built without an inspector. */
export async function collectGarbage(): Promise<void> {
  if (!process.features.inspector) return;
  const { Session } = process.getBuiltinModule('node:inspector');
  const session = new Session();
  session.connect();
  await new Promise<void>((resolve) => {
    const deadline = setTimeout(resolve, AT_MOST_MS);
    session.post('HeapProfiler.collectGarbage', () => {
      clearTimeout(deadline);
      // Within its own answer a session must not be ended.
      setImmediate(resolve);
    });
  });
  session.disconnect();
}
