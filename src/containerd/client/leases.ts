// The leases of a server: containerd.services.leases.v1.

import { StoreError } from '../../errors.js';
import { parseFilters } from '../../filter.js';
import type { Labels } from '../../labels.js';
import type { LeaseResource, LeaseRow } from '../../metadata/rows.js';
import { timeOf } from '../convert.js';
import { type Lease, LeasesService } from '../gen/containerd/services/leases/v1/leases.js';
import type { Connection } from './connection.js';

export class ProxyLeases {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async list(filters: readonly string[] = []): Promise<readonly LeaseRow[]> {
    // A server calls a filter that it cannot read an unknown failure.
    parseFilters(filters);
    const what = 'cannot list leases';
    const { leases } = await this.#connection.unary(LeasesService.list, { filters: [...filters] }, { what });
    return leases.map(rowOf);
  }

  /** Without an id the server makes one up. already-exists. */
  async create(id: string | undefined, labels: Labels = {}): Promise<LeaseRow> {
    const what = id === undefined ? 'cannot create a lease' : `cannot create lease ${id}`;
    const request = { id: id ?? '', labels: { ...labels } };
    const { lease } = await this.#connection.unary(LeasesService.create, request, { what });
    if (lease === undefined) throw new StoreError('failed', what, 'the server did not say which it is');
    return rowOf(lease);
  }

  /** Returns when what only this lease kept is gone. not-found. */
  async remove(id: string): Promise<void> {
    const what = `cannot remove lease ${id}`;
    await this.#connection.unary(LeasesService.delete, { id, sync: true }, { what });
  }

  /** One after another: a server knows no step for several. Errors as `addLeaseResource`. */
  async add(id: string, resources: readonly LeaseResource[]): Promise<void> {
    for (const resource of resources) {
      const what = `cannot add ${resource.type} ${resource.id} to lease ${id}`;
      await this.#connection.unary(LeasesService.addResource, { id, resource }, { what });
    }
  }

  async release(id: string, resources: readonly LeaseResource[]): Promise<void> {
    for (const resource of resources) {
      const what = `cannot take ${resource.type} ${resource.id} out of lease ${id}`;
      await this.#connection.unary(LeasesService.deleteResource, { id, resource }, { what });
    }
  }

  /** not-found (the lease). */
  async resources(id: string): Promise<readonly LeaseResource[]> {
    const what = `cannot list lease ${id}`;
    const { resources } = await this.#connection.unary(LeasesService.listResources, { id }, { what });
    return resources.map(({ type, id }) => ({ type, id }));
  }
}

function rowOf({ id, createdAt, labels }: Lease): LeaseRow {
  return { id, created: timeOf(createdAt), labels };
}
