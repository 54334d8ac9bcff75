// diff.v1: a layer applied to mounts, and the changes between two lists of mounts as a layer. Blobs are read and written
// in the namespace of the call, and snapshots of this socket are known by their folders.

import { randomBytes } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { type Compression, compress } from '../../diff/compression.js';
import { layerOf, type Trees } from '../../diff/differ.js';
import { withMountedTrees } from '../../diff/mounted-trees.js';
import { Digester, parseDigest } from '../../digest.js';
import { isKind, StoreError } from '../../errors.js';
import { applyToMounts, type OwnSnapshots } from '../../images/apply-mounts.js';
import { addLabels, UNCOMPRESSED } from '../../images/labels.js';
import { isLayerType, LAYER_TYPES, OCI_LAYER } from '../../images/media-types.js';
import type { Labels } from '../../labels.js';
import type { Descriptor } from '../../metadata/rows.js';
import { listSnapshots } from '../../metadata/snapshots.js';
import { MountTable } from '../../mounts/table.js';
import type { Store } from '../../store.js';
import { descriptorMessage, mountOf } from '../convert.js';
import { type DiffRequest, DiffService } from '../gen/containerd/services/diff/v1/diff.js';
import { StatusError } from '../status.js';
import { CallLease } from './call-lease.js';
import { onceFree } from './content-write.js';
import { type Caller, type Service, service } from './service.js';
import { type Site, storeOf } from './site.js';

export function diffService(site: Site): Service {
  const table = new MountTable(site.partition.state);
  return service(DiffService, {
    apply: async ({ diff, mounts }, caller) => {
      const { digest = '', mediaType = '' } = diff ?? {};
      const what = `cannot apply layer ${digest}`;
      const blob = await storeOf(site, caller).content.open(parseDigest(digest));
      try {
        if (!isLayerType(mediaType)) {
          // containerd finds no program for it, and that failure has no kind.
          throw new StatusError(status.UNKNOWN, `${what}: nothing here reads the media type ${mediaType}`);
        }
        const { signal } = caller;
        const own = ownSnapshots(site.partition);
        const applied = await applyToMounts(mounts.map(mountOf), blob.stream(), own, what, { signal });
        const { diffId, size } = applied;
        return { applied: descriptorMessage({ mediaType: OCI_LAYER, digest: diffId, size }) };
      } finally {
        await blob.close();
      }
    },

    diff: async (request, caller) => {
      const compression = compressionMeant(request.mediaType);
      const [left, right] = [request.left, request.right].map((mounts) => mounts.map(mountOf));
      const store = storeOf(site, caller);
      const descriptor = await withMountedTrees(left!, right!, table, (trees) =>
        storeDiff(store, trees, compression, request, caller),
      );
      return { diff: descriptorMessage(descriptor) };
    },
  });
}

function ownSnapshots({ snapshots, folders, metadata, namespace }: Store): OwnSnapshots {
  return {
    snapshots,
    folder: folders.snapshots,
    keyOf: (id) =>
      metadata
        .read((tx) => listSnapshots(tx, namespace))
        .find((row) => row.id === id && row.kind === 'active')?.name,
  };
}

/** Of the layer that is to be written; unsupported for a media type that nothing here writes. */
function compressionMeant(mediaType: string): Compression {
  if (mediaType === '') return 'gzip';
  for (const compression of ['none', 'gzip', 'zstd'] as const) {
    if (LAYER_TYPES[compression] === mediaType) return compression;
  }
  throw new StoreError('unsupported', 'cannot write a layer', `unsupported diff media type: ${mediaType}`);
}

/** Writes how one tree came out of the other as a blob, under the ref that the call names; a ref begins again. */
async function storeDiff(
  { content, leases }: Store,
  trees: Trees,
  compression: Compression,
  { ref: asked, labels, sourceDateEpoch }: DiffRequest,
  { lease: leaseId, signal }: Caller,
): Promise<Descriptor> {
  const lease = new CallLease(leases, leaseId);
  const ref = asked === '' ? `diff-${process.hrtime.bigint()}-${randomBytes(6).toString('hex')}` : asked;
  const tar = layerOf(trees, sourceDateEpoch === undefined ? {} : { epochSec: sourceDateEpoch.seconds });
  const digester = new Digester();
  async function* hashed(): AsyncIterable<Uint8Array> {
    for await (const chunk of tar) {
      if (signal.aborted) throw new StoreError('canceled', 'cannot write a layer', 'the caller has gone');
      digester.update(chunk);
      yield chunk;
    }
  }
  const writer = await onceFree(() => content.writer({ ref }), signal);
  try {
    if (writer.offset > 0) await writer.truncate(0);
    for await (const chunk of compress(hashed(), compression)) await writer.write(chunk);
    const layer = { mediaType: LAYER_TYPES[compression], digest: writer.digest(), size: writer.offset };
    const notes: Labels = compression === 'none' ? labels : { ...labels, [UNCOMPRESSED]: digester.digest() };
    const commit = () => writer.commit({ labels: notes });
    try {
      await lease.holding({ type: 'content', id: layer.digest }, commit, isThere);
    } catch (error) {
      if (!isThere(error)) throw error;
      await addLabels(content, layer.digest, notes);
    }
    return layer;
  } catch (error) {
    await writer.close();
    if (asked === '') await withoutIngest(content, ref);
    throw error;
  }
}

/** A commit that failed late has taken it away already. */
async function withoutIngest(content: Store['content'], ref: string): Promise<void> {
  try {
    await content.abort(ref);
  } catch (error) {
    if (!isKind(error, 'not-found')) throw error;
  }
}

function isThere(error: unknown): boolean {
  return isKind(error, 'already-exists');
}
