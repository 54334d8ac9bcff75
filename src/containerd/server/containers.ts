// containers.v1: what containers are made of. Nothing here runs anything.

import { StoreError } from '../../errors.js';
import { filtered } from '../../filter.js';
import { containerField } from '../../filter-fields.js';
import type { NewContainer } from '../../metadata/containers.js';
import type { ContainerRow, OpaqueValue } from '../../metadata/rows.js';
import { timestampOf } from '../convert.js';
import { type Container, ContainersService } from '../gen/containerd/services/containers/v1/containers.js';
import type { Any } from '../gen/google/protobuf/any.js';
import { type Caller, requiredNamespace, type Service, service } from './service.js';
import type { Site } from './site.js';

export function containersService(site: Site): Service {
  const containersOf = (caller: Caller) => site.namespace(requiredNamespace(caller)).containers;
  const listed = (filters: readonly string[], caller: Caller) =>
    filtered(containersOf(caller).list(), filters, containerField).map(containerMessage);
  return service(ContainersService, {
    get: async ({ id }, caller) => {
      const row = id === '' ? undefined : containersOf(caller).get(id);
      if (row === undefined) {
        const what = `cannot find container ${id}`;
        throw new StoreError('not-found', what, 'there is no container of this id');
      }
      return { container: containerMessage(row) };
    },

    list: async ({ filters }, caller) => ({ containers: listed(filters, caller) }),

    async *listStream({ filters }, caller) {
      for (const container of listed(filters, caller)) yield { container };
    },

    create: async ({ container }, caller) => ({
      container: containerMessage(await containersOf(caller).create(newContainer(container))),
    }),

    update: async ({ container, updateMask }, caller) => {
      const changed = newContainer(container);
      const row = await containersOf(caller).update(changed, updateMask ?? []);
      return { container: containerMessage(row) };
    },

    delete: async ({ id }, caller) => {
      await containersOf(caller).remove(id);
      return {};
    },
  });
}

function containerMessage(row: ContainerRow): Container {
  const { id, labels, image, runtime, spec, snapshotter, snapshotKey, extensions } = row;
  const { name, options } = runtime;
  return {
    id,
    labels: { ...labels },
    image,
    runtime: { name, options: options === undefined ? undefined : anyMessage(options) },
    spec: anyMessage(spec),
    snapshotter,
    snapshotKey,
    createdAt: timestampOf(row.created),
    updatedAt: timestampOf(row.updated),
    extensions: Object.fromEntries(
      Object.entries(extensions).map(([key, value]) => [key, anyMessage(value)] as const),
    ),
    sandbox: row.sandbox ?? '',
  };
}

/** What is wrong with it the store says. */
function newContainer(container: Container | undefined): NewContainer {
  const {
    id = '',
    labels = {},
    image = '',
    snapshotter = '',
    snapshotKey = '',
    sandbox = '',
  } = container ?? {};
  const { name = '', options } = container?.runtime ?? {};
  return {
    id,
    labels,
    image,
    runtime: { name, ...(options === undefined ? {} : { options: opaqueOf(options) }) },
    ...(container?.spec === undefined ? {} : { spec: opaqueOf(container.spec) }),
    snapshotter,
    snapshotKey,
    extensions: Object.fromEntries(
      Object.entries(container?.extensions ?? {}).map(([key, value]) => [key, opaqueOf(value)] as const),
    ),
    ...(sandbox === '' ? {} : { sandbox }),
  };
}

function anyMessage({ typeUrl, value }: OpaqueValue): Any {
  return { typeUrl, value: Buffer.from(value.buffer, value.byteOffset, value.byteLength) };
}

function opaqueOf({ typeUrl, value }: Any): OpaqueValue {
  return { typeUrl, value };
}
