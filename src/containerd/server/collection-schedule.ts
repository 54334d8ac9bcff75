// When a server collects garbage by itself, as containerd's scheduler does with its defaults: when something was let go
// of, or after a hundred changes, but not at once, and so seldom that it takes a fiftieth of the time at most.

/** By the paths of methods: after these something may be held no longer. */
const LETS_GO: ReadonlySet<string> = new Set([
  ...methods('images.v1.Images', 'Update', 'Delete'),
  ...methods('containers.v1.Containers', 'Update', 'Delete'),
  ...methods('content.v1.Content', 'Update'),
  ...methods('leases.v1.Leases', 'Delete', 'DeleteResource'),
]);
/** And these change what is held. */
const CHANGES: ReadonlySet<string> = new Set([
  ...LETS_GO,
  ...methods('images.v1.Images', 'Create'),
  ...methods('containers.v1.Containers', 'Create'),
  ...methods('leases.v1.Leases', 'Create', 'AddResource'),
]);

/** containerd's `mutation_threshold`. */
const MANY_CHANGES = 100;
/** What is let go of at the same time goes together. */
const PAUSE_MS = 1000;
/** The reciprocal of containerd's `pause_threshold`. */
const REST = 50;

function methods(service: string, ...names: readonly string[]): string[] {
  return names.map((name) => `/containerd.services.${service}/${name}`);
}

export class CollectionSchedule {
  readonly #collect: () => Promise<void>;
  readonly #onFault: (error: unknown) => void;
  readonly #pauseMs: number;
  #letGo = false;
  #changes = 0;
  #timer: NodeJS.Timeout | undefined;
  #restUntil = 0;
  #closed = false;

  /** `collect` runs a collection, whose beginning it tells by `begin`; `onFault` hears of one that failed. */
  constructor(collect: () => Promise<void>, onFault: (error: unknown) => void, pauseMs = PAUSE_MS) {
    this.#collect = collect;
    this.#onFault = onFault;
    this.#pauseMs = pauseMs;
  }

  /** The method at this path was called, and did what it was asked for. */
  done(path: string): void {
    if (!CHANGES.has(path)) return;
    this.#changes++;
    this.#letGo ||= LETS_GO.has(path);
    this.#arm();
  }

  /** A collection begins, whoever asked for it; the returned function is to be called at its end. */
  begin(): () => void {
    this.#letGo = false;
    this.#changes = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const begin = performance.now();
    return () => {
      const now = performance.now();
      this.#restUntil = now + REST * (now - begin);
    };
  }

  /** No collection begins any more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    if (this.#closed || this.#timer !== undefined || (!this.#letGo && this.#changes < MANY_CHANGES)) return;
    const waitMs = Math.max(this.#pauseMs, this.#restUntil - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#collect().catch(this.#onFault);
    }, waitMs);
    this.#timer.unref();
  }
}
