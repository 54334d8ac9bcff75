// The union that a mount serves, and what the control requests ask of it. It runs on the server's thread, and
// a control request runs between two file requests, so that its answer never shows half an operation.

import { Buffer } from 'node:buffer';
import { existsSync } from 'node:fs';
import { EBUSY, EINVAL, EOPNOTSUPP, FsError } from '../errno.js';
import { Attr, type Filesystem, type NodeId, type Stale } from '../filesystem.js';
import type { RequestTime } from '../fuse/request-times.js';
import { openStack, openUpper } from '../layer/open-stack.js';
import { type ByteString, fromBytes, toText } from '../name.js';
import { IdMap, type OwnerRules } from '../owners/id-map.js';
import { withOwners } from '../owners/translated.js';
import { namespaceIds } from '../sys/index.js';
import { EventStream } from '../union/event-stream.js';
import type { LayerNamer } from '../union/explained-layer.js';
import { traced } from '../union/trace.js';
import { Union } from '../union/union.js';
import { EVENTS_KEPT } from './event-tap.js';
import { type ExchangeReply, type ExchangeRequest, writeMarker } from './exchange.js';
import type { ServerStart } from './messages.js';

/** How long others wait at a time for a piece of work that need not be done in one. */
const AHEAD_MS = 5;

interface Counting {
  readonly requests: number;
  counts(): Record<string, number>;
  /** Absent or undefined where times are not measured. */
  times?(): Record<string, RequestTime> | undefined;
  /** Nodes that somebody can write to without a request; absent where nobody can. */
  writers?(): readonly NodeId[];
  /** Nodes whose object the kernel has; absent where the upper cannot be exchanged. */
  keepers?(): readonly NodeId[];
}

export class ServedUnion {
  /** As the layers have it, owners too. */
  readonly union: Union;
  /** With the owners that the mount shows. */
  readonly #shown: Filesystem;
  /** The same, with an event for each request while somebody asks for them. */
  readonly watched: Filesystem;
  readonly #events: EventStream;
  /** The stack is the one that is served now. */
  #start: ServerStart;

  /** Opens the layers; fails as `openStack` does. What happens is told in `events`, an `eventBuffer`. */
  constructor(start: ServerStart, events: ArrayBufferLike) {
    this.#start = start;
    this.#events = new EventStream(EVENTS_KEPT, events);
    const { lowers, upper, data, close } = openStack(start.stack, start.mountPoint);
    try {
      this.union = new Union({
        lowers,
        events: this.#events,
        ...(upper === undefined ? {} : { upper }),
        ...(data === undefined ? {} : { data }),
      });
    } catch (error) {
      close();
      throw error;
    }
    const { uids, gids } = mapsOf(start.owners);
    this.#shown = withOwners(this.union, uids, gids);
    this.watched = withOwners(traced(this.union, this.#events), uids, gids);
  }

  /** Who is to answer the next request: watching takes time, so it is left out while nobody looks. */
  get filesystem(): Filesystem {
    return this.#events.requests ? this.watched : this.#shown;
  }

  /** Answers a control request: `{op, ...}`. EINVAL for one that nobody knows. */
  control(request: object, counting: Counting): object {
    const op = 'op' in request ? request.op : undefined;
    switch (op) {
      case 'status':
        return {
          target: this.#start.mountPoint,
          pid: process.pid,
          readOnly: this.union.readOnly,
          transport: this.#start.transport,
          stack: this.#start.stack,
          ...(this.#start.owners && { owners: this.#start.owners }),
          requests: counting.requests,
          counts: counting.counts(),
          ...timesOf(counting),
          ...(this.union.space && { space: this.union.space }),
          written: this.#written(counting),
          lastSeq: this.#events.lastSeq,
        };
      case 'watch':
        this.#events.requests = 'requests' in request && request.requests === true;
        return {};
      case 'explain':
        return this.union.explain(pathOf(request), namerOf(request));
      case 'settle':
        return { settled: this.union.settle() };
      case 'join':
        if (!this.union.readOnly) this.union.joinLinks();
        return {};
      case 'flush':
        this.union.sync();
        return {};
      case 'freeze':
        if (this.#written(counting).length > 0) throw new FsError(EBUSY, 'files open for writing');
        // In the same step, so that nothing can come between a plain upper and its end.
        if (!this.union.readOnly) this.union.settle();
        this.union.freeze();
        return {};
      case 'settle-ahead':
        return { more: this.union.settleAhead(AHEAD_MS) };
      case 'drop-names':
        return { stale: this.union.namesToDrop() };
      case 'exchange':
        return this.#exchange(request as ExchangeRequest, counting);
      default:
        throw new FsError(EINVAL, `control request ${String(op)}`);
    }
  }

  /** See ExchangeRequest. Between two requests, which wait for that long. */
  #exchange({ upper, below, marker }: ExchangeRequest, counting: Counting): ExchangeReply {
    if (counting.keepers === undefined) throw new FsError(EOPNOTSUPP, 'exchange of the upper');
    const { stack, mountPoint } = this.#start;
    const fresh = openUpper(upper, mountPoint);
    const begin = performance.now();
    let handedOver = 0;
    let stale: Stale | undefined;
    try {
      if (below === undefined) stale = this.union.rollBack(fresh, () => writeMarker(marker, []));
      else {
        this.union.switchUpper(fresh, counting.keepers(), (list) => {
          handedOver = list.length;
          writeMarker(marker, list);
        });
      }
    } catch (error) {
      // Once it is decided the union has it.
      if (!existsSync(marker)) fresh.close();
      throw error;
    } finally {
      if (existsSync(marker)) {
        const lowers = below === undefined ? stack.lowers : [below, ...stack.lowers];
        this.#start = { ...this.#start, stack: { ...stack, lowers, upper } };
      }
    }
    const stoppedMs = performance.now() - begin;
    if (below !== undefined) {
      const durationNs = Math.round(stoppedMs * 1e6);
      this.#events.emit({ kind: 'commit', path: '', layer: below.id, durationNs });
    }
    return { stoppedMs, handedOver, ...(stale && { stale }) };
  }

  /**
   * Paths of the files that somebody can write to without asking, which nobody can take back; not of removed ones, which
   * are in no layer.
   */
  #written(counting: Counting): string[] {
    const attr = new Attr();
    const nodes = (counting.writers?.() ?? []).filter((node) => {
      this.union.getattr(node, attr);
      return attr.nlink > 0;
    });
    return nodes.map((node) => toText(this.union.pathOf(node) ?? ''));
  }
}

function timesOf(counting: Counting): { readonly times?: Record<string, RequestTime> } {
  const times = counting.times?.();
  return times === undefined ? {} : { times };
}

/** The maps of a mount that this process makes: its user namespace, and who it is there, are the mount's. */
function mapsOf({ uids, gids }: OwnerRules = { uids: {}, gids: {} }): {
  readonly uids: IdMap;
  readonly gids: IdMap;
} {
  return {
    uids: new IdMap(uids, process.geteuid?.() ?? 0, namespaceIds('uid')),
    gids: new IdMap(gids, process.getegid?.() ?? 0, namespaceIds('gid')),
  };
}

/** What the asker calls layers; the others go by their ids. */
function namerOf(request: object): LayerNamer {
  const names =
    'names' in request && typeof request.names === 'object' && request.names !== null ? request.names : {};
  const named = new Map(Object.entries(names));
  return (id) => String(named.get(id) ?? id);
}

/** Paths cross as base64, because not every path is text. */
function pathOf(request: object): ByteString {
  if (!('pathBase64' in request) || typeof request.pathBase64 !== 'string') {
    throw new FsError(EINVAL, 'explain without pathBase64');
  }
  return fromBytes(Buffer.from(request.pathBase64, 'base64'));
}
