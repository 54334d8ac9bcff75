// A new file of an upper that is filled in one go and synced when all of it is there: its data is sent to the disk as
// it comes, so that the sync at the end finds most of it written. Small files are left to that sync, which writes many
// of them at a time.

import { beginSync } from '../sys/index.js';
import { UpperFile } from './dir-node.js';

/** Bytes that are worth a system call of their own. */
const LARGE = 64 << 10;
const AT_A_TIME = 4 << 20;

export class FilledFile extends UpperFile {
  /** Where the data begins that was not sent yet, and where it ends. */
  #from = 0;
  #to = 0;

  override write(offset: number, data: Uint8Array): number {
    const count = super.write(offset, data);
    this.#to = offset + count;
    if (this.#to - this.#from >= AT_A_TIME) this.#send();
    return count;
  }

  override close(): void {
    if (this.#to - this.#from >= LARGE) this.#send();
    super.close();
  }

  #send(): void {
    beginSync(this.fd, this.#from, this.#to - this.#from);
    this.#from = this.#to;
  }
}
