// What a server does for layers while nobody waits, in a thread. What is unpacked into a layer is written to the disk while
// more of it comes, so that little is left when the commit syncs it; and the index of what was committed, which is a cache,
// is made when no layer is unpacked any more, or somebody wants to see this one. Whatever ends the thread, or the process,
// costs nobody anything but time: a commit syncs what was not written, and the first mount makes the index.

import { Worker } from 'node:worker_threads';
import type { LayerToIndex } from './layer-index.js';
import type { LayerJob } from './layer-worker.js';

/** How often what is unpacked is written. */
const FLUSH_MS = 1000;

/** Who takes longer to unpack a layer has probably gone, and left the key. */
const UNPACKED_AFTER_MS = 600_000;

/** Who unpacks one layer often goes on with the next. */
const REST_MS = 500;

interface Waiting {
  readonly layer: LayerToIndex;
  readonly done: Promise<void>;
  readonly end: () => void;
}

export class LayerThread {
  /** Layers without their index by the id of the snapshot, in the order in which they are committed. */
  readonly #waiting = new Map<string, Waiting>();
  /** Folders that are unpacked into, by the id of the snapshot, and until when that is believed. */
  readonly #unpacking = new Map<string, { readonly path: string; readonly until: number }>();
  #flushing: NodeJS.Timeout | undefined;
  /** Until this ends no index is begun that nobody asks for. */
  #rest: NodeJS.Timeout | undefined;
  /** How many callers wait for an index. */
  #asking = 0;
  #worker: Worker | undefined;
  #running: LayerJob | undefined;

  /** A layer is unpacked into the folder `path` from now until `sealed`. */
  unpacks(id: string, path: string): void {
    this.#unpacking.set(id, { path, until: performance.now() + UNPACKED_AFTER_MS });
    this.#flushing ??= setInterval(() => this.#flush(), FLUSH_MS).unref();
  }

  /** Nothing more is unpacked into the layer of this snapshot. */
  sealed(id: string): void {
    this.#unpacking.delete(id);
    if (this.#unpacking.size > 0) return;
    clearInterval(this.#flushing);
    this.#flushing = undefined;
    this.#takeRest();
  }

  /** Makes the index of a committed layer when there is time, or need. */
  index(layer: LayerToIndex): void {
    let end: () => void = () => undefined;
    const done = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#waiting.set(layer.facts.id, { layer, done, end });
    this.#takeRest();
  }

  /** Resolves when none of the snapshots `ids` waits for its index any more. */
  async indexed(ids: readonly string[]): Promise<void> {
    const wanted = ids.flatMap((id) => this.#waiting.get(id)?.done ?? []);
    if (wanted.length === 0) return;
    this.#asking++;
    this.#next();
    await Promise.all(wanted);
    this.#asking--;
  }

  /** Lets what is under way become whole, and leaves the other indexes to whoever needs them. */
  async close(): Promise<void> {
    for (const id of [...this.#unpacking.keys()]) this.sealed(id);
    const under = this.#running?.kind === 'index' ? this.#running.layer.facts.id : undefined;
    for (const [id, { end }] of [...this.#waiting]) {
      if (id === under) continue;
      this.#waiting.delete(id);
      end();
    }
    this.#worker?.ref();
    if (under !== undefined) await this.#waiting.get(under)?.done;
    clearTimeout(this.#rest);
    await this.#worker?.terminate();
  }

  #flush(): void {
    const now = performance.now();
    for (const [id, { until }] of [...this.#unpacking]) if (until < now) this.sealed(id);
    const [first] = this.#unpacking.values();
    // All layers lie on one filesystem.
    if (first !== undefined && this.#running === undefined) this.#run({ kind: 'flush', path: first.path });
  }

  #takeRest(): void {
    this.#rest?.refresh();
    this.#rest ??= setTimeout(() => {
      this.#rest = undefined;
      this.#next();
    }, REST_MS).unref();
  }

  #next(): void {
    const isBusy = this.#unpacking.size > 0 || this.#rest !== undefined;
    if (this.#running !== undefined || (isBusy && this.#asking === 0)) return;
    const [first] = this.#waiting.values();
    if (first !== undefined) this.#run({ kind: 'index', layer: first.layer });
  }

  #run(job: LayerJob): void {
    this.#running = job;
    this.#worker ??= this.#start();
    if (this.#worker === undefined) this.#ended();
    else this.#worker.postMessage(job);
  }

  #ended(): void {
    const job = this.#running;
    this.#running = undefined;
    if (job?.kind === 'index') {
      const { id } = job.layer.facts;
      this.#waiting.get(id)?.end();
      this.#waiting.delete(id);
    }
    this.#next();
  }

  /** undefined where this process may have no more threads. */
  #start(): Worker | undefined {
    const worker = startWorker();
    worker?.on('message', () => this.#ended());
    // A fault of this program, which whoever needs the index meets as well, and tells.
    worker?.on('error', (error) => process.emitWarning(error));
    worker?.on('exit', () => {
      this.#worker = undefined;
      this.#ended();
    });
    worker?.unref();
    return worker;
  }
}

function startWorker(): Worker | undefined {
  try {
    return new Worker(new URL('./layer-worker.js', import.meta.url));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_WORKER_INIT_FAILED') return undefined;
    throw error;
  }
}
