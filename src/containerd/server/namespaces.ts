// namespaces.v1: of the root, whichever namespace the call itself names. As in containerd, one that is not there yet has no
// labels, and is there once it has any: clients ask for the labels of theirs before they put anything into it. What other
// sockets keep is no namespace to anybody.

import {
  assertNamespaceName,
  createNamespace,
  ensureNamespace,
  getNamespace,
  labelNamespace,
  listNamespaces,
} from '../../metadata/namespaces.js';
import { partitionOf } from '../../metadata/partitions.js';
import type { NamespaceRow } from '../../metadata/rows.js';
import { type Namespace, NamespacesService } from '../gen/containerd/services/namespaces/v1/namespace.js';
import { type Service, service } from './service.js';
import type { Site } from './site.js';

export function namespacesService({ partition: store }: Site): Service {
  const { metadata } = store;
  return service(NamespacesService, {
    get: async ({ name }) => {
      assertNamespaceName(name);
      const labels = metadata.read((tx) => getNamespace(tx, name))?.labels ?? {};
      return { namespace: namespaceMessage({ name, labels }) };
    },

    list: async () => {
      const rows = metadata.read(listNamespaces).filter(({ name }) => partitionOf(name) === undefined);
      return { namespaces: rows.map(namespaceMessage) };
    },

    create: async ({ namespace }) => {
      const { name = '', labels = {} } = namespace ?? {};
      const row = await metadata.write((tx) => createNamespace(tx, name, labels));
      return { namespace: namespaceMessage(row) };
    },

    update: async ({ namespace, updateMask }) => {
      const { name = '', labels = {} } = namespace ?? {};
      assertNamespaceName(name);
      const row = await metadata.write((tx) => {
        ensureNamespace(tx, name);
        return labelNamespace(tx, name, labels, updateMask ?? []);
      });
      return { namespace: namespaceMessage(row) };
    },

    delete: async ({ name }) => {
      await store.removeNamespace(name);
      return {};
    },
  });
}

function namespaceMessage({ name, labels }: Pick<NamespaceRow, 'name' | 'labels'>): Namespace {
  return { name, labels: { ...labels } };
}
