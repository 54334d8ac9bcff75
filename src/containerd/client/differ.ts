// The differ of a server: containerd.services.diff.v1 as a Differ. The server mounts, and its content store has the blobs;
// what it answers is handed through as it is.

import type { CompareOptions, Differ } from '../../diff/differ.js';
import { StoreError } from '../../errors.js';
import type { Descriptor } from '../../metadata/rows.js';
import type { Mount } from '../../mounts/mount.js';
import { descriptorMessage, descriptorOf, mountMessage } from '../convert.js';
import { DiffService } from '../gen/containerd/services/diff/v1/diff.js';
import type { Descriptor as DescriptorMessage } from '../gen/containerd/types/descriptor.js';
import type { Connection } from './connection.js';

export class ProxyDiffer implements Differ {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async apply(layer: Descriptor, mounts: readonly Mount[]): Promise<Descriptor> {
    const what = `cannot apply layer ${layer.digest}`;
    const diff = descriptorMessage(layer);
    const request = { diff, mounts: mounts.map(mountMessage), payloads: {}, syncFs: false };
    const { applied } = await this.#connection.unary(DiffService.apply, request, { what });
    return told(applied, what);
  }

  async compare(
    left: readonly Mount[],
    right: readonly Mount[],
    { mediaType = '', ref = '', labels = {} }: CompareOptions = {},
  ): Promise<Descriptor> {
    const what = 'cannot compare mounts';
    const sides = { left: left.map(mountMessage), right: right.map(mountMessage) };
    const request = { ...sides, mediaType, ref, labels: { ...labels }, sourceDateEpoch: undefined };
    const { diff } = await this.#connection.unary(DiffService.diff, request, { what });
    return told(diff, what);
  }
}

function told(descriptor: DescriptorMessage | undefined, what: string): Descriptor {
  if (descriptor !== undefined) return descriptorOf(descriptor);
  throw new StoreError('failed', what, 'the server did not say which blob it is');
}
