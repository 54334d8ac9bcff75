// The beginning of a file: what a process that died left between cutting a file whose data lies below and taking
// over what is left of it. The size is the upper object's, so the data goes no further.

import { type Attr, SEEK_DATA } from '../filesystem.js';
import type { LayerFile } from '../layer/layer.js';

export class CutFile implements LayerFile {
  /** Of the whole file, so it is not shown. */
  readonly fd = undefined;
  readonly #whole: LayerFile;
  readonly #size: number;

  /** Takes `whole`, which is longer than `size`, over. */
  constructor(whole: LayerFile, size: number) {
    this.#whole = whole;
    this.#size = size;
  }

  read(offset: number, into: Uint8Array): number {
    const left = Math.max(0, this.#size - offset);
    return left === 0 ? 0 : this.#whole.read(offset, into.subarray(0, left));
  }

  stat(out: Attr): void {
    this.#whole.stat(out);
    out.size = this.#size;
  }

  seek(offset: number, whence: number): number | undefined {
    if (offset >= this.#size) return undefined;
    const found = this.#whole.seek(offset, whence);
    if (found === undefined || found < this.#size) return found;
    return whence === SEEK_DATA ? undefined : this.#size;
  }

  close(): void {
    this.#whole.close();
  }
}
