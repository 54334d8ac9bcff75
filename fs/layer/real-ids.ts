// The owners of a layer that was made in a user namespace. Its objects lie on disk with the ids that the kernel gave
// them there; what they mean are the ids of the namespace. Whoever reads it in another namespace, or in none, sees
// the disk's ids, and they are turned back here. What override_stat says is the layer's own id already.

import type { Attr } from '../filesystem.js';

/** `count` ids from `first` on are those from `outside` on, outside of the namespace (user_namespaces(7)). */
export interface NumberSpan {
  readonly first: number;
  readonly outside: number;
  readonly count: number;
}

/** The ids of a user namespace. */
export interface Numbering {
  readonly uids: readonly NumberSpan[];
  readonly gids: readonly NumberSpan[];
}

export class RealIds {
  readonly #layer: Numbering;
  readonly #here: Numbering;

  private constructor(layer: Numbering, here: Numbering) {
    this.#layer = layer;
    this.#here = here;
  }

  /** undefined where both number alike: ids are then what the kernel says. */
  static between(layer: Numbering, here: Numbering): RealIds | undefined {
    const same = JSON.stringify(layer) === JSON.stringify(here);
    return same ? undefined : new RealIds(layer, here);
  }

  /** Puts the layer's owners in place of those that this process sees; one without a number in either stays. */
  show(attr: Attr): void {
    attr.uid = this.uidOf(attr.uid);
    attr.gid = this.gidOf(attr.gid);
  }

  uidOf(here: number): number {
    return translate(here, this.#here.uids, this.#layer.uids) ?? here;
  }

  gidOf(here: number): number {
    return translate(here, this.#here.gids, this.#layer.gids) ?? here;
  }

  /** What this process calls an owner of the layer; undefined if it has no number here. */
  uidHere(uid: number): number | undefined {
    return translate(uid, this.#layer.uids, this.#here.uids);
  }

  gidHere(gid: number): number | undefined {
    return translate(gid, this.#layer.gids, this.#here.gids);
  }
}

/** True if the kernel, asked in `here`, says of every owner with a number in the layer's namespace who that is. */
export function saysTheSame(layer: Numbering, here: Numbering): boolean {
  const same = (spans: readonly NumberSpan[], to: readonly NumberSpan[]) =>
    spans.every(({ first, count }) => {
      const last = first + count - 1;
      return translate(first, spans, to) === first && translate(last, spans, to) === last;
    });
  return same(layer.uids, here.uids) && same(layer.gids, here.gids);
}

function translate(id: number, from: readonly NumberSpan[], to: readonly NumberSpan[]): number | undefined {
  for (const { first, outside, count } of from) {
    if (id < first || id >= first + count) continue;
    const disk = outside + (id - first);
    for (const span of to) {
      if (disk >= span.outside && disk < span.outside + span.count) return span.first + (disk - span.outside);
    }
  }
  return undefined;
}
