// A write of a layer may end where there is no more room; what is worth nothing in part is written so.

import type { WritableFile } from '../layer/layer.js';

/** Writes all of `data` or fails. */
export function writeAll(file: WritableFile, offset: number, data: Uint8Array): void {
  let done = file.write(offset, data);
  while (done < data.length) done += file.write(offset + done, data.subarray(done));
}
