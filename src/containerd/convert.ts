// The store's values as messages and back: times, mounts, descriptors, kinds of snapshots. Labels are the same on both
// sides. An empty text in a message is an absent value.

import { parseDigest } from '../digest.js';
import { StoreError } from '../errors.js';
import type { Descriptor } from '../metadata/rows.js';
import type { Mount, SnapshotInfo, SnapshotKind } from '../snapshots/snapshot.js';
import { type Info, Kind } from './gen/containerd/services/snapshots/v1/snapshots.js';
import type { Descriptor as DescriptorMessage } from './gen/containerd/types/descriptor.js';
import type { Mount as MountMessage } from './gen/containerd/types/mount.js';
import type { Timestamp } from './gen/google/protobuf/timestamp.js';

/** How many objects of a list go into one message; what containerd's own clients and servers use. */
export const BLOCK = 100;

/** What a Timestamp may say (google/protobuf/timestamp.proto), in seconds after 1970. */
const YEAR_1 = -62_135_596_800;
const YEAR_10000 = 253_402_300_800;

/** The point that an RFC 3339 text names, to the nanosecond. */
export function timestampOf(time: string): Timestamp {
  const fraction = /\.(\d{1,9})/.exec(time)?.[1] ?? '';
  const seconds = Math.floor(Date.parse(time.replace(/\.\d+/, '')) / 1000);
  return { seconds, nanos: Number(fraction.padEnd(9, '0')) };
}

/** RFC 3339 with nanoseconds; an absent timestamp is the year 1, which is Go's time of nothing. */
export function timeOf(timestamp: Timestamp | undefined): string {
  const { seconds, nanos } = timestamp ?? { seconds: YEAR_1, nanos: 0 };
  if (!(seconds >= YEAR_1 && seconds < YEAR_10000 && nanos >= 0 && nanos < 1e9)) {
    throw new StoreError('invalid-argument', 'cannot use a timestamp', `it is ${seconds} s and ${nanos} ns`);
  }
  const whole = new Date(seconds * 1000).toISOString().slice(0, 'YYYY-MM-DDTHH:MM:SS'.length);
  return `${whole}.${String(nanos).padStart(9, '0')}Z`;
}

export function mountMessage({ type, source, target, options }: Mount): MountMessage {
  return { type, source, target: target ?? '', options: [...options] };
}

export function mountOf({ type, source, target, options }: MountMessage): Mount {
  return { type, source, options, ...(target === '' ? {} : { target }) };
}

export function descriptorMessage({ mediaType, digest, size, annotations }: Descriptor): DescriptorMessage {
  return { mediaType, digest, size, annotations: { ...annotations } };
}

/** invalid-argument for a digest that is none. */
export function descriptorOf({ mediaType, digest, size, annotations }: DescriptorMessage): Descriptor {
  const notes = Object.keys(annotations).length === 0 ? {} : { annotations };
  return { mediaType, digest: parseDigest(digest), size, ...notes };
}

const KIND_MESSAGE: Readonly<Record<SnapshotKind, Kind>> = {
  view: Kind.VIEW,
  active: Kind.ACTIVE,
  committed: Kind.COMMITTED,
};

const KIND_OF: ReadonlyMap<Kind, SnapshotKind> = new Map([
  [Kind.VIEW, 'view'],
  [Kind.ACTIVE, 'active'],
  [Kind.COMMITTED, 'committed'],
]);

/** undefined for a kind that this program does not know. */
export function kindOf(kind: Kind): SnapshotKind | undefined {
  return KIND_OF.get(kind);
}

export function snapshotMessage({ name, parent, kind, created, updated, labels }: SnapshotInfo): Info {
  return {
    name,
    parent: parent ?? '',
    kind: KIND_MESSAGE[kind],
    createdAt: timestampOf(created),
    updatedAt: timestampOf(updated),
    labels: { ...labels },
  };
}

/** What a message says of a snapshot; failed for a kind that this program does not know. */
export function snapshotOf(
  { name, parent, kind, createdAt, updatedAt, labels }: Info,
  what: string,
): SnapshotInfo {
  const known = kindOf(kind);
  if (known === undefined) throw new StoreError('failed', what, `${name} is of an unknown kind ${kind}`);
  const created = timeOf(createdAt);
  const updated = timeOf(updatedAt);
  return { name, ...(parent === '' ? {} : { parent }), kind: known, created, updated, labels };
}

/** `items` in arrays of `BLOCK`, the last one shorter; nothing of nothing. */
export async function* inBlocks<T>(items: AsyncIterable<T> | Iterable<T>): AsyncIterable<T[]> {
  let block: T[] = [];
  for await (const item of items) {
    block.push(item);
    if (block.length < BLOCK) continue;
    yield block;
    block = [];
  }
  if (block.length > 0) yield block;
}
