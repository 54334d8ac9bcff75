// Stacks of layers in memory for the union's tests. A layer is described by what is in it; the lowers come
// from one list, topmost first, as the union takes them.

import { Attr } from '../../../fs/filesystem.js';
import { LayerEntry, type MarkPrefix, type WriteLayer } from '../../../fs/layer/layer.js';
import { MemLayer, type MemLayerOptions } from '../../../fs/layer/mem-layer.js';
import { S_IFDIR, S_IFREG } from '../../../fs/mode.js';
import { basename, dirname } from '../../../fs/name.js';
import type { UnionEvent } from '../../../fs/union/event.js';
import { EventStream } from '../../../fs/union/event-stream.js';
import { Union } from '../../../fs/union/union.js';
import { bytes, Paths } from '../../suites/paths.js';
import { flattened } from '../layer/flatten.js';

/**
 * Path to content: a string is a file, `null` a whiteout, `{}` a folder, with marks where it has some; `=path` a hard
 * link; `{ size }` a file of which only the attributes are here.
 */
export type Description = Readonly<
  Record<
    string,
    | string
    | null
    | { readonly opaque?: boolean; readonly redirect?: string; readonly mode?: number }
    | { readonly size: number; readonly redirect?: string }
  >
>;

export function fillLayer<L extends WriteLayer>(layer: L, description: Description): L {
  for (const [path, what] of Object.entries(description)) {
    const dir = dirname(path);
    const name = basename(path);
    if (what === null) layer.whiteout(dir, name);
    else if (typeof what !== 'string' && 'size' in what) {
      const file = layer.makeFile(dir, name, { mode: S_IFREG | 0o600, uid: 0, gid: 0 });
      file.truncate(what.size);
      file.close();
      const node = layer.hold(dir, name);
      node.setMetacopy(true);
      node.setRedirect(what.redirect);
      node.release();
    } else if (typeof what !== 'string') {
      layer.make(dir, name, { mode: S_IFDIR | (what.mode ?? 0o755), uid: 0, gid: 0 });
      const node = layer.hold(dir, name);
      if (what.opaque === true) node.setOpaque(true);
      if (what.redirect !== undefined) node.setRedirect(what.redirect);
      node.release();
    } else if (what.startsWith('=')) {
      const node = layer.hold(dirname(what.slice(1)), basename(what.slice(1)));
      layer.link(node, dir, name, false);
      node.release();
    } else {
      const file = layer.makeFile(dir, name, { mode: S_IFREG | 0o644, uid: 0, gid: 0 });
      file.write(0, bytes(what));
      file.close();
    }
  }
  return layer;
}

export interface Rig {
  readonly lowers: readonly MemLayer[];
  readonly upper: MemLayer;
  readonly union: Union;
  readonly paths: Paths;
  readonly events: UnionEvent[];
  /** A new union over the same layers, as after unmount and mount. */
  remount(): Rig;
  /** The upper becomes the topmost lower, under a new upper. */
  committed(marks?: MarkPrefix): Rig;
}

export interface RigOptions extends MemLayerOptions {
  /** The union gets one tree index in place of the lowers, as that of a store's snapshot. */
  readonly indexed?: boolean;
}

export function rig(descriptions: readonly Description[], options: RigOptions = {}): Rig {
  const { now, countsSubfolders = true, indexed = false } = options;
  const common = { device: 'disk', numbers: { last: 0 }, countsSubfolders, ...(now && { now }) };
  const lowers = descriptions.map((description, i) =>
    fillLayer(new MemLayer({ id: `lower${i}`, ...common }), description),
  );
  return over(lowers, new MemLayer({ id: 'upper', ...common, ...options }), { ...common, indexed });
}

/** `common`: what layers that are added later share with those that are there. */
export function over(lowers: readonly MemLayer[], upper: MemLayer, common: RigOptions): Rig {
  const stream = new EventStream();
  const events: UnionEvent[] = [];
  stream.listen((event) => events.push(event));
  const shown = common.indexed === true ? [flattened(lowers)] : lowers;
  const union = new Union({ lowers: shown, upper, events: stream });
  return {
    lowers,
    upper,
    union,
    paths: new Paths(union),
    events,
    remount: () => over(lowers, upper, common),
    committed: (marks = 'trusted') => {
      const next = new MemLayer({ id: `upper${lowers.length}`, ...common, marks });
      return over([upper, ...lowers], next, common);
    },
  };
}

/** What the upper holds at a path: its own view, marks included; undefined for nothing. */
export function inUpper(upper: MemLayer, path: string): LayerEntry | undefined {
  const entry = new LayerEntry(new Attr());
  return upper.lookup(dirname(path), basename(path), entry) ? entry : undefined;
}
