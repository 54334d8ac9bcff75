// The lease that a call names in its header: what the call makes is held by it before it can be seen, so that no
// collection finds it without. A call without one holds nothing.

import type { LeaseRows } from '../../metadata/leases.js';
import type { LeaseResource } from '../../metadata/rows.js';

export class CallLease {
  readonly #leases: LeaseRows;
  readonly #id: string | undefined;

  constructor(leases: LeaseRows, id: string | undefined) {
    this.#leases = leases;
    this.#id = id;
  }

  /** not-found for a lease that is none. */
  async hold(resource: LeaseResource): Promise<void> {
    if (this.#id !== undefined) await this.#leases.add(this.#id, resource);
  }

  async release(resource: LeaseResource): Promise<void> {
    if (this.#id !== undefined) await this.#leases.release(this.#id, resource);
  }

  /** Runs `act` with the resource held. If it fails, the lease is as it was, but for failures that `keeps` names. */
  async holding<T>(
    resource: LeaseResource,
    act: () => Promise<T>,
    keeps: (error: unknown) => boolean = () => false,
  ): Promise<T> {
    const held = this.#holds(resource);
    await this.hold(resource);
    try {
      return await act();
    } catch (error) {
      if (!held && !keeps(error)) await this.release(resource);
      throw error;
    }
  }

  #holds({ type, id }: LeaseResource): boolean {
    if (this.#id === undefined) return false;
    return this.#leases.resources(this.#id).some((one) => one.type === type && one.id === id);
  }
}
