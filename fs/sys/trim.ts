// What the C library keeps of freed memory, back to the system: every thread has a heap of its own there (an arena), which
// grows with the thread's beginning and does not shrink by itself (malloc_trim(3), glibc).

import { type CFunction, declare } from './libc.js';

let trim: CFunction | undefined;
let isMissing = false;

/** Of all threads of the process. Nothing where the C library has no such call (musl). */
export function trimMemory(): void {
  if (isMissing) return;
  try {
    trim ??= declare('int', 'malloc_trim', ['size_t']);
  } catch {
    isMissing = true;
    return;
  }
  trim(0);
}
