// Where something is, as the inode table knows it: in two parts, so that who only passes a path on need not join them.

import { type ByteString, joinPath } from '../name.js';

/** A folder, and a name in it or '' for the folder itself. Made once and filled many times. */
export class Place {
  dir: ByteString = '';
  name: ByteString = '';

  get path(): ByteString {
    return this.name === '' ? this.dir : joinPath(this.dir, this.name);
  }

  /** What is called `name` in what this was. */
  enter(name: ByteString): void {
    this.dir = this.path;
    this.name = name;
  }

  /** The root, which also stands for what has no place. */
  reset(): void {
    this.dir = '';
    this.name = '';
  }
}
