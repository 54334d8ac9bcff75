// A namespace of a server of containerd's services, and short words for what the suite asks of it.

import { status } from '@grpc/grpc-js';
import type { Container } from '../../src/containerd/gen/containerd/services/containers/v1/containers.js';
import { WriteAction } from '../../src/containerd/gen/containerd/services/content/v1/content.js';
import type { Image } from '../../src/containerd/gen/containerd/services/images/v1/images.js';
import { digestOf } from '../../src/digest.js';
import { all, ask, type Clients, headers, WriteCall } from '../src/containerd/clients.js';

const { COMMIT } = WriteAction;

/** How a call ended: its status, and the text of a failure. */
export async function outcome(call: Promise<unknown>): Promise<{ code: number; text: string }> {
  try {
    await call;
    return { code: status.OK, text: '' };
  } catch (error) {
    const { code, details } = error as { code: number; details: string };
    return { code, text: details };
  }
}

/** One namespace of a server. */
export class Place {
  readonly clients: Clients;
  readonly namespace: string;

  constructor(clients: Clients, namespace: string) {
    this.clients = clients;
    this.namespace = namespace;
  }

  headers(lease?: string) {
    return headers(this.namespace, lease);
  }

  writing(lease?: string): WriteCall {
    return new WriteCall(this.clients.content, this.headers(lease));
  }

  async put(bytes: string | Buffer, labels: Record<string, string> = {}, lease?: string): Promise<string> {
    const data = Buffer.from(bytes);
    const digest = digestOf(data);
    const ref = `put-${digest}`;
    await this.writing(lease).say({
      action: COMMIT,
      ref,
      data,
      total: data.length,
      expected: digest,
      labels,
    });
    return digest;
  }

  info(digest: string) {
    const { content } = this.clients;
    return ask(content, content.info, { digest }, this.headers());
  }

  async read(digest: string, offset = 0, size = 0): Promise<{ offsets: number[]; bytes: Buffer }> {
    const stream = this.clients.content.read({ digest, offset, size }, this.headers());
    const messages = await all(stream as AsyncIterable<{ offset: number; data: Buffer }>);
    return {
      offsets: messages.map((message) => message.offset),
      bytes: Buffer.concat(messages.map(({ data }) => data)),
    };
  }

  async list(filters: string[] = []): Promise<string[][]> {
    const stream = this.clients.content.list({ filters }, this.headers());
    const messages = await all(stream as AsyncIterable<{ info: { digest: string }[] }>);
    return messages.map(({ info }) => info.map(({ digest }) => digest));
  }

  status(ref: string) {
    const { content } = this.clients;
    return ask(content, content.status, { ref }, this.headers());
  }

  createLease(id = '', labels = {}) {
    const { leases } = this.clients;
    return ask(leases, leases.create, { id, labels }, this.headers());
  }

  deleteLease(id: string, sync = false) {
    const { leases } = this.clients;
    return ask(leases, leases.delete, { id, sync }, this.headers());
  }

  async leased(id: string): Promise<string[]> {
    const { leases } = this.clients;
    const { resources } = await ask(leases, leases.listResources, { id }, this.headers());
    return resources.map((resource) => `${resource.type} ${resource.id}`).sort();
  }

  addResource(id: string, type: string, resource: string) {
    const { leases } = this.clients;
    const request = { id, resource: { type, id: resource } };
    return ask(leases, leases.addResource, request, this.headers());
  }

  image(name: string, digest: string, more: Partial<Image> = {}): Image {
    const target = { mediaType: 'application/vnd.oci.image.index.v1+json', digest, size: 7, annotations: {} };
    return { name, labels: {}, target, createdAt: undefined, updatedAt: undefined, ...more };
  }

  createImage(image: Image) {
    const { images } = this.clients;
    return ask(images, images.create, { image, sourceDateEpoch: undefined }, this.headers());
  }

  updateImage(image: Image, updateMask: string[]) {
    const { images } = this.clients;
    return ask(images, images.update, { image, updateMask, sourceDateEpoch: undefined }, this.headers());
  }

  getImage(name: string) {
    const { images } = this.clients;
    return ask(images, images.get, { name }, this.headers());
  }

  deleteImage(name: string, sync = false) {
    const { images } = this.clients;
    return ask(images, images.delete, { name, sync }, this.headers());
  }

  container(id: string, more: Partial<Container> = {}): Container {
    return {
      id,
      labels: { a: '1' },
      image: 'debian',
      runtime: { name: 'io.containerd.runc.v2', options: undefined },
      spec: { typeUrl: 'spec', value: Buffer.from([0, 255, 10]) },
      snapshotter: 'native',
      snapshotKey: id,
      createdAt: undefined,
      updatedAt: undefined,
      extensions: {},
      sandbox: '',
      ...more,
    };
  }

  createContainer(container: Container) {
    const { containers } = this.clients;
    return ask(containers, containers.create, { container }, this.headers());
  }

  updateContainer(container: Container, updateMask: string[]) {
    const { containers } = this.clients;
    return ask(containers, containers.update, { container, updateMask }, this.headers());
  }

  getContainer(id: string) {
    const { containers } = this.clients;
    return ask(containers, containers.get, { id }, this.headers());
  }

  deleteContainer(id: string) {
    const { containers } = this.clients;
    return ask(containers, containers.delete, { id }, this.headers());
  }

  createNamespace(name: string, labels = {}) {
    const { namespaces } = this.clients;
    return ask(namespaces, namespaces.create, { namespace: { name, labels } }, this.headers());
  }

  labelNamespace(name: string, labels: Record<string, string>, updateMask: string[]) {
    const { namespaces } = this.clients;
    return ask(namespaces, namespaces.update, { namespace: { name, labels }, updateMask }, this.headers());
  }

  async namespaceLabels(name: string) {
    const { namespaces } = this.clients;
    const { namespace } = await ask(namespaces, namespaces.get, { name }, this.headers());
    return namespace?.labels;
  }

  deleteNamespace(name: string) {
    const { namespaces } = this.clients;
    return ask(namespaces, namespaces.delete, { name }, this.headers());
  }

  apply(mediaType: string, digest: string) {
    const { diff } = this.clients;
    const descriptor = { mediaType, digest, size: 1, annotations: {} };
    const request = { diff: descriptor, mounts: [], payloads: {}, syncFs: false };
    return ask(diff, diff.apply, request, this.headers());
  }

  compare(mediaType: string) {
    const { diff } = this.clients;
    const request = { left: [], right: [], mediaType, ref: '', labels: {}, sourceDateEpoch: undefined };
    return ask(diff, diff.diff, request, this.headers());
  }
}
