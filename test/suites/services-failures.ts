// What every server of containerd's services refuses: the statuses, and the names in their texts.

import { status } from '@grpc/grpc-js';
import { WriteAction } from '../../src/containerd/gen/containerd/services/content/v1/content.js';
import { digestOf } from '../../src/digest.js';
import { ask } from '../src/containerd/clients.js';
import type { Place } from './services-place.js';

const NONE = digestOf('nobody has written this');
const OCI_TAR = 'application/vnd.oci.image.layer.v1.tar';
const { STAT, COMMIT } = WriteAction;

export interface Failure {
  readonly name: string;
  readonly code: status;
  /** What the text of the failure must have in it. */
  readonly says?: string;
  run(at: Place): Promise<unknown>;
}

/** Calls that a server refuses, each with the status that it answers. */
export const FAILURES: readonly Failure[] = [
  { name: 'info of no digest', code: status.INVALID_ARGUMENT, run: (at) => at.info('sha256:12') },
  { name: 'info of nothing', code: status.NOT_FOUND, says: NONE, run: (at) => at.info(NONE) },
  { name: 'read of nothing', code: status.NOT_FOUND, says: NONE, run: (at) => at.read(NONE) },
  { name: 'read of no digest', code: status.INVALID_ARGUMENT, run: (at) => at.read('x') },
  {
    name: 'read beyond the end',
    code: status.OUT_OF_RANGE,
    run: async (at) => at.read(await at.put('abc'), 4),
  },
  {
    name: 'deletion of no blob',
    code: status.NOT_FOUND,
    says: NONE,
    run: (at) => ask(at.clients.content, at.clients.content.delete, { digest: NONE }, at.headers()),
  },
  {
    name: 'deletion of no digest',
    code: status.INVALID_ARGUMENT,
    run: (at) => ask(at.clients.content, at.clients.content.delete, { digest: 'x' }, at.headers()),
  },
  {
    name: 'a change of a blob’s size',
    code: status.INVALID_ARGUMENT,
    says: 'size',
    run: async (at) => {
      const digest = await at.put('abc');
      const info = { digest, size: 9, createdAt: undefined, updatedAt: undefined, labels: {} };
      const { content } = at.clients;
      return ask(content, content.update, { info, updateMask: ['size'] }, at.headers());
    },
  },
  {
    name: 'labels of no blob',
    code: status.NOT_FOUND,
    says: NONE,
    run: (at) => {
      const info = { digest: NONE, size: 0, createdAt: undefined, updatedAt: undefined, labels: { a: '1' } };
      const { content } = at.clients;
      return ask(content, content.update, { info, updateMask: ['labels'] }, at.headers());
    },
  },
  { name: 'a list by half a filter', code: status.INVALID_ARGUMENT, run: (at) => at.list(['labels.']) },
  {
    name: 'the status of no ingest',
    code: status.NOT_FOUND,
    says: 'no-ref',
    run: (at) => at.status('no-ref'),
  },
  {
    name: 'an end to no ingest',
    code: status.NOT_FOUND,
    says: 'no-ref',
    run: (at) => ask(at.clients.content, at.clients.content.abort, { ref: 'no-ref' }, at.headers()),
  },
  {
    name: 'a write without a ref',
    code: status.INVALID_ARGUMENT,
    run: (at) => at.writing().say({ action: STAT }),
  },
  {
    name: 'a write for a lease that is none',
    code: status.NOT_FOUND,
    says: 'lease',
    run: (at) => at.writing('no-lease').say({ action: STAT, ref: 'r' }),
  },
  {
    name: 'a write of what is there',
    code: status.ALREADY_EXISTS,
    says: digestOf('abc'),
    run: async (at) => at.writing().say({ action: STAT, ref: 'r', expected: await at.put('abc') }),
  },
  {
    name: 'a commit of what is there',
    code: status.ALREADY_EXISTS,
    says: digestOf('abc'),
    run: async (at) => {
      await at.put('abc');
      return at.writing().say({ action: COMMIT, ref: 'r', data: Buffer.from('abc') });
    },
  },
  {
    name: 'application of a blob that is none',
    code: status.NOT_FOUND,
    says: NONE,
    run: (at) => at.apply(OCI_TAR, NONE),
  },
  {
    name: 'application of what is no layer',
    code: status.UNKNOWN,
    run: async (at) => at.apply('text/plain', await at.put('abc')),
  },
  {
    name: 'a difference as something strange',
    code: status.UNIMPLEMENTED,
    says: 'text/plain',
    run: (at) => at.compare('text/plain'),
  },
  {
    name: 'a lease of a known id',
    code: status.ALREADY_EXISTS,
    says: 'twice',
    run: async (at) => {
      await at.createLease('twice');
      return at.createLease('twice');
    },
  },
  {
    name: 'an end to no lease',
    code: status.NOT_FOUND,
    says: 'no-lease',
    run: (at) => at.deleteLease('no-lease'),
  },
  {
    name: 'the resources of no lease',
    code: status.NOT_FOUND,
    says: 'no-lease',
    run: (at) => at.leased('no-lease'),
  },
  {
    name: 'a resource for no lease',
    code: status.NOT_FOUND,
    says: 'no-lease',
    run: (at) => at.addResource('no-lease', 'ingests', 'r'),
  },
  ...(
    [
      ['snapshots', 'a', status.INVALID_ARGUMENT],
      ['snapshots/a/b', 'a', status.INVALID_ARGUMENT],
      ['content', 'no-digest', status.INVALID_ARGUMENT],
      ['content/x', NONE, status.INVALID_ARGUMENT],
      ['planets', 'a', status.UNIMPLEMENTED],
    ] as const
  ).map(
    ([type, id, code]): Failure => ({
      name: `a lease that is to hold ${type} ${id}`,
      code,
      run: async (at) => {
        await at.createLease('l');
        return at.addResource('l', type, id);
      },
    }),
  ),
  {
    name: 'a list of leases by half a filter',
    code: status.INVALID_ARGUMENT,
    run: (at) => ask(at.clients.leases, at.clients.leases.list, { filters: ['labels.'] }, at.headers()),
  },
  {
    name: 'an image that is none',
    code: status.NOT_FOUND,
    says: 'no/image',
    run: (at) => at.getImage('no/image'),
  },
  {
    name: 'an image without a name',
    code: status.INVALID_ARGUMENT,
    run: (at) => at.createImage(at.image('', NONE)),
  },
  {
    name: 'an image of no digest',
    code: status.INVALID_ARGUMENT,
    run: (at) => at.createImage(at.image('a', 'sha256:1')),
  },
  {
    name: 'an image of no size',
    code: status.INVALID_ARGUMENT,
    run: (at) =>
      at.createImage(
        at.image('a', NONE, { target: { mediaType: 'a', digest: NONE, size: 0, annotations: {} } }),
      ),
  },
  {
    name: 'an image of no type',
    code: status.INVALID_ARGUMENT,
    run: (at) =>
      at.createImage(
        at.image('a', NONE, { target: { mediaType: '', digest: NONE, size: 1, annotations: {} } }),
      ),
  },
  {
    name: 'an image of a known name',
    code: status.ALREADY_EXISTS,
    says: 'twice',
    run: async (at) => {
      await at.createImage(at.image('twice', NONE));
      return at.createImage(at.image('twice', NONE));
    },
  },
  {
    name: 'a change of no image',
    code: status.NOT_FOUND,
    says: 'no/image',
    run: (at) => at.updateImage(at.image('no/image', NONE), ['target']),
  },
  {
    name: 'a change of an image’s name',
    code: status.INVALID_ARGUMENT,
    run: async (at) => {
      await at.createImage(at.image('a', NONE));
      return at.updateImage(at.image('a', NONE), ['name']);
    },
  },
  {
    name: 'the end of no image',
    code: status.NOT_FOUND,
    says: 'no/image',
    run: (at) => at.deleteImage('no/image'),
  },
  {
    name: 'a list of images by half a filter',
    code: status.INVALID_ARGUMENT,
    run: (at) => ask(at.clients.images, at.clients.images.list, { filters: ['labels.'] }, at.headers()),
  },
  {
    name: 'a container that is none',
    code: status.NOT_FOUND,
    says: 'no-c',
    run: (at) => at.getContainer('no-c'),
  },
  {
    name: 'the end of no container',
    code: status.NOT_FOUND,
    says: 'no-c',
    run: (at) => at.deleteContainer('no-c'),
  },
  {
    name: 'a change of no container',
    code: status.NOT_FOUND,
    says: 'no-c',
    run: (at) => at.updateContainer(at.container('no-c'), ['labels']),
  },
  {
    name: 'a container of a known id',
    code: status.ALREADY_EXISTS,
    says: 'twice',
    run: async (at) => {
      await at.createContainer(at.container('twice'));
      return at.createContainer(at.container('twice'));
    },
  },
  ...(
    [
      ['a bad id', { id: 'a b' }],
      ['no runtime', { runtime: undefined }],
      ['no specification', { spec: undefined }],
      ['a snapshot of nobody', { snapshotter: '', snapshotKey: 'k' }],
    ] as const
  ).map(
    ([what, more]): Failure => ({
      name: `a container with ${what}`,
      code: status.INVALID_ARGUMENT,
      run: (at) => at.createContainer(at.container('c', more)),
    }),
  ),
  {
    name: 'a change of a container’s snapshotter',
    code: status.INVALID_ARGUMENT,
    run: async (at) => {
      await at.createContainer(at.container('c'));
      return at.updateContainer(at.container('c', { snapshotter: 'other' }), []);
    },
  },
  {
    name: 'a change of a container’s runtime',
    code: status.INVALID_ARGUMENT,
    run: async (at) => {
      await at.createContainer(at.container('c'));
      return at.updateContainer(at.container('c'), ['runtime']);
    },
  },
  {
    name: 'a namespace of a known name',
    code: status.ALREADY_EXISTS,
    says: 'twice',
    run: async (at) => {
      await at.createNamespace(`${at.namespace}-twice`);
      return at.createNamespace(`${at.namespace}-twice`);
    },
  },
  {
    name: 'a namespace of a bad name',
    code: status.INVALID_ARGUMENT,
    says: 'a b',
    run: (at) => at.createNamespace('a b'),
  },
  {
    name: 'the end of no namespace',
    code: status.NOT_FOUND,
    says: 'no-namespace',
    run: (at) => at.deleteNamespace('no-namespace'),
  },
  {
    name: 'the end of a namespace with an image',
    code: status.FAILED_PRECONDITION,
    run: async (at) => {
      await at.createImage(at.image('a', NONE));
      return at.deleteNamespace(at.namespace);
    },
  },
  {
    name: 'the end of a namespace with a blob',
    code: status.FAILED_PRECONDITION,
    run: async (at) => {
      await at.put('abc');
      return at.deleteNamespace(at.namespace);
    },
  },
  {
    name: 'a change of a namespace’s name',
    code: status.INVALID_ARGUMENT,
    run: async (at) => {
      await at.createNamespace(at.namespace);
      return at.labelNamespace(at.namespace, {}, ['name']);
    },
  },
];
