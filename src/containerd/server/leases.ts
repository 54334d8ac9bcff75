// leases.v1: what a collection leaves alone for as long as the lease is there.

import { filtered } from '../../filter.js';
import { leaseField } from '../../filter-fields.js';
import type { LeaseResource, LeaseRow } from '../../metadata/rows.js';
import { timestampOf } from '../convert.js';
import { type Lease, LeasesService, type Resource } from '../gen/containerd/services/leases/v1/leases.js';
import { type Caller, requiredNamespace, type Service, service } from './service.js';
import type { Site } from './site.js';

export function leasesService(site: Site): Service {
  const leasesOf = (caller: Caller) => site.namespace(requiredNamespace(caller)).leases;
  return service(LeasesService, {
    create: async ({ id, labels }, caller) => ({
      lease: leaseMessage(await leasesOf(caller).create(id === '' ? undefined : id, labels)),
    }),

    delete: async ({ id, sync }, caller) => {
      await leasesOf(caller).remove(id);
      if (sync) await site.collect();
      return {};
    },

    list: async ({ filters }, caller) => ({
      leases: filtered(leasesOf(caller).list(), filters, leaseField).map(leaseMessage),
    }),

    addResource: async ({ id, resource }, caller) => {
      await leasesOf(caller).add(id, resourceOf(resource));
      return {};
    },

    deleteResource: async ({ id, resource }, caller) => {
      await leasesOf(caller).release(id, resourceOf(resource));
      return {};
    },

    listResources: async ({ id }, caller) => ({
      resources: leasesOf(caller)
        .resources(id)
        .map((resource) => ({ ...resource })),
    }),
  });
}

function leaseMessage({ id, created, labels }: LeaseRow): Lease {
  return { id, createdAt: timestampOf(created), labels: { ...labels } };
}

/** What is wrong with it the store says. */
function resourceOf(resource: Resource | undefined): LeaseResource {
  return { type: resource?.type ?? '', id: resource?.id ?? '' };
}
