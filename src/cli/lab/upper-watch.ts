// Notices what is written to files of an upper without its server (passthrough), of which no event tells, and what of its
// requests makes no event: the files that are shown are looked at, past the mount, now and then. They go by their bytes, beneath
// the upper and through no symlink: what somebody puts there meanwhile leads nowhere.

import {
  Attr,
  type ByteString,
  basename,
  dirname,
  fromText,
  ifAllowed,
  LayerEntry,
  openLowerDir,
  type ReadLayer,
} from '../../../fs/index.js';

/** How often they are looked at; a look at some hundred files takes a millisecond. */
const EVERY_MS = 500;

export class UpperWatch {
  #top = '';
  #paths: readonly ByteString[] = [];
  #known: readonly string[] = [];
  #next = 0;

  /** From now on these paths of the folder `top` are watched, as they are now. */
  take(top: string, paths: readonly ByteString[]): void {
    this.#top = top;
    this.#paths = paths;
    this.#known = marksIn(top, paths);
  }

  /** True if any of them is not as it was; looks only when it is time, or at once. */
  hasChanged(isNow = false): boolean {
    const now = performance.now();
    if ((now < this.#next && !isNow) || this.#paths.length === 0) return false;
    this.#next = now + EVERY_MS;
    const marks = marksIn(this.#top, this.#paths);
    return marks.some((mark, at) => mark !== this.#known[at]);
  }
}

function marksIn(top: string, paths: readonly ByteString[]): readonly string[] {
  // Of its marks nothing is wanted, so it does not matter how they are spelled.
  const layer = openLowerDir(fromText(top), { anyMayLackData: true });
  try {
    const entry = new LayerEntry(new Attr());
    return paths.map((path) => ifAllowed(() => markOf(layer, path, entry), ''));
  } finally {
    layer.close();
  }
}

/** The time of change stands for attributes, names and data; sizes for what is written within one tick of the clock. */
function markOf(layer: ReadLayer, path: ByteString, entry: LayerEntry): string {
  const [dir, name] = [dirname(path), path === '' ? '.' : basename(path)];
  if (!(layer.stat?.(dir, name, entry) ?? layer.lookup(dir, name, entry))) return '';
  const { ino, size, blocks, ctimeSec, ctimeNsec } = entry.attr;
  return `${ino} ${size} ${blocks} ${ctimeSec} ${ctimeNsec}`;
}
