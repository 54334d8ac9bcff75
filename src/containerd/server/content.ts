// content.v1: blobs by digest, and ingests by ref. A call without a namespace is of a containerd whose content store we
// are, and works on what the socket keeps for it. What a Write says to what stands in content-write.ts.

import type { BlobInfo, IngestStatus } from '../../content/content.js';
import { parseDigest } from '../../digest.js';
import { isKind, StoreError } from '../../errors.js';
import type { Store } from '../../store.js';
import { inBlocks, timestampOf } from '../convert.js';
import {
  ContentService,
  type Info,
  type ReadContentResponse,
  type Status,
} from '../gen/containerd/services/content/v1/content.js';
import { answerWrites, onceFree } from './content-write.js';
import { type Service, service } from './service.js';
import { type Site, storeOf } from './site.js';

export function contentService(site: Site): Service {
  return service(ContentService, {
    info: async ({ digest }, caller) => ({
      info: infoMessage(await storeOf(site, caller).content.info(digest)),
    }),

    update: async ({ info, updateMask }, caller) => {
      const { digest = '', labels = {} } = info ?? {};
      const updated = await storeOf(site, caller).content.update(digest, labels, updateMask ?? []);
      return { info: infoMessage(updated) };
    },

    async *list({ filters }, caller) {
      const blobs = storeOf(site, caller).content.walk(filters);
      for await (const block of inBlocks(blobs)) yield { info: block.map(infoMessage) };
    },

    delete: async ({ digest }, caller) => {
      const { content, leases } = storeOf(site, caller);
      await content.info(digest);
      // With its bytes: a containerd whose store we are collects by deleting, and asks for nothing else.
      await content.discard(digest);
      if (caller.lease !== undefined) await released(leases, caller.lease, digest);
      return {};
    },

    read: ({ digest, offset, size }, caller) => readBlob(storeOf(site, caller), digest, offset, size),

    status: async ({ ref }, caller) => ({
      status: statusMessage(await storeOf(site, caller).content.status(ref)),
    }),

    listStatuses: async ({ filters }, caller) => {
      const statuses = await storeOf(site, caller).content.statuses(filters);
      return { statuses: statuses.map(statusMessage) };
    },

    write: (requests, caller) => answerWrites(storeOf(site, caller), requests, caller),

    abort: async ({ ref }, caller) => {
      const { content } = storeOf(site, caller);
      await onceFree(() => content.abort(ref), caller.signal);
      return {};
    },
  });
}

/** The bytes from `offset` on, `size` of them or all; each answer says where in this reading it stands. */
async function* readBlob(
  { content }: Store,
  digest: string,
  offset: number,
  size: number,
): AsyncGenerator<ReadContentResponse, void> {
  const blob = await content.open(parseDigest(digest));
  try {
    const from = Math.max(offset, 0);
    if (from > blob.size) {
      throw new StoreError(
        'out-of-range',
        `cannot read blob ${digest} at ${from}`,
        `it has ${blob.size} bytes`,
      );
    }
    let at = 0;
    for await (const data of blob.stream(from, size > 0 ? size : undefined)) {
      yield { offset: at, data: Buffer.from(data.buffer, data.byteOffset, data.byteLength) };
      at += data.length;
    }
  } finally {
    await blob.close();
  }
}

/** A lease that there is none of has nothing to give back: containerd says nothing of it here. */
async function released(leases: Store['leases'], lease: string, digest: string): Promise<void> {
  try {
    await leases.release(lease, { type: 'content', id: digest });
  } catch (error) {
    if (!isKind(error, 'not-found')) throw error;
  }
}

function infoMessage({ digest, size, created, updated, labels }: BlobInfo): Info {
  return {
    digest,
    size,
    createdAt: timestampOf(created),
    updatedAt: timestampOf(updated),
    labels: { ...labels },
  };
}

function statusMessage({ ref, offset, total, expected, startedAt, updatedAt }: IngestStatus): Status {
  return {
    ref,
    offset,
    total,
    expected: expected ?? '',
    startedAt: timestampOf(startedAt),
    updatedAt: timestampOf(updatedAt),
  };
}
