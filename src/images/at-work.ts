// The lease of work that makes an image: garbage collection leaves alone what the lease names, there or not yet. So
// whoever works names everything first, in one step, and looks second: what it finds then stays, and what was taken
// before is not found, and made again. The lease goes when the work has ended, after the name that keeps the result;
// that of a process which was killed ends by itself after a day.

import { randomBytes } from 'node:crypto';
import type { Digest } from '../digest.js';
import type { Labels } from '../labels.js';
import { SNAPSHOTTER_NAME } from '../metadata/gc.js';
import { GC_EXPIRE } from '../metadata/leases.js';
import type { LeaseResource } from '../metadata/rows.js';
import { timeOfNs } from '../time.js';

/** The leases of one namespace; the metadata implements it. */
export interface WorkLeases {
  /** Adds to the lease, which is made where it is missing, in one step. Resolves when it is durable. */
  hold(
    lease: { readonly id: string; readonly labels: Labels },
    resources: readonly LeaseResource[],
  ): Promise<void>;
  remove(id: string): Promise<unknown>;
}

/** What a piece of work is going to use or make. */
export interface Needs {
  readonly blobs?: readonly Digest[];
  /** Names and keys. */
  readonly snapshots?: readonly string[];
}

/** How long a lease outlives a process that was killed (containerd, `client/lease.go`). */
const EXPIRY_NS = 24n * 60n * 60n * 1_000_000_000n;

export class WorkLease {
  readonly #leases: WorkLeases;
  readonly #id = `work-${process.pid}-${randomBytes(6).toString('hex')}`;
  #held = false;

  /** For who takes back what he made: what other leases hold stays (`Content.discard`, `Snapshotter.remove`). */
  get id(): string {
    return this.#id;
  }

  constructor(leases: WorkLeases) {
    this.#leases = leases;
  }

  /** From when this resolves, none of these is collected. */
  async hold({ blobs = [], snapshots = [] }: Needs): Promise<void> {
    const resources = [
      ...blobs.map((id) => ({ type: 'content', id })),
      ...snapshots.map((id) => ({ type: `snapshots/${SNAPSHOTTER_NAME}`, id })),
    ];
    if (resources.length === 0) return;
    const ends = timeOfNs(BigInt(Date.now()) * 1_000_000n + EXPIRY_NS);
    await this.#leases.hold({ id: this.#id, labels: { [GC_EXPIRE]: ends } }, resources);
    this.#held = true;
  }

  async end(): Promise<void> {
    if (!this.#held) return;
    this.#held = false;
    await this.#leases.remove(this.#id);
  }
}

/** Runs `work` with a lease, which ends with it. */
export async function atWork<T>(leases: WorkLeases, work: (lease: WorkLease) => Promise<T>): Promise<T> {
  const lease = new WorkLease(leases);
  try {
    return await work(lease);
  } finally {
    await lease.end();
  }
}
