// Where the program is that others are told to mount by.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** bin/mica-overlayfs of this program, which lies beside dist/ when built and beside src/ in the tree. */
export function mountProgram(): string {
  const places = ['../../../bin/mica-overlayfs', '../../bin/mica-overlayfs'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  return places.find((path) => existsSync(path)) ?? 'mica-overlayfs';
}
