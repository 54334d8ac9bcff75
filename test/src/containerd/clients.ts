// Clients of a served socket for tests: calls as promises, one namespace each.

import {
  type CallOptions,
  type Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { ContainersClient } from '../../../src/containerd/gen/containerd/services/containers/v1/containers.js';
import {
  ContentClient,
  WriteAction,
  type WriteContentRequest,
  type WriteContentResponse,
} from '../../../src/containerd/gen/containerd/services/content/v1/content.js';
import { DiffClient } from '../../../src/containerd/gen/containerd/services/diff/v1/diff.js';
import { ImagesClient } from '../../../src/containerd/gen/containerd/services/images/v1/images.js';
import { LeasesClient } from '../../../src/containerd/gen/containerd/services/leases/v1/leases.js';
import { NamespacesClient } from '../../../src/containerd/gen/containerd/services/namespaces/v1/namespace.js';
import { SnapshotsClient } from '../../../src/containerd/gen/containerd/services/snapshots/v1/snapshots.js';

const OPTIONS = { 'grpc.max_receive_message_length': 16 << 20, 'grpc.default_authority': 'localhost' };

type UnaryMethod<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown;

/** Every service of a socket. */
export class Clients {
  readonly content;
  readonly diff;
  readonly images;
  readonly leases;
  readonly containers;
  readonly namespaces;
  readonly snapshots;
  readonly #all: readonly Client[];

  constructor(socket: string) {
    const at = [`unix:${socket}`, credentials.createInsecure(), OPTIONS] as const;
    this.content = new ContentClient(...at);
    this.diff = new DiffClient(...at);
    this.images = new ImagesClient(...at);
    this.leases = new LeasesClient(...at);
    this.containers = new ContainersClient(...at);
    this.namespaces = new NamespacesClient(...at);
    this.snapshots = new SnapshotsClient(...at);
    this.#all = [
      this.content,
      this.diff,
      this.images,
      this.leases,
      this.containers,
      this.namespaces,
      this.snapshots,
    ];
  }

  close(): void {
    for (const client of this.#all) client.close();
  }
}

/** The headers of a call. */
export function headers(namespace?: string, lease?: string): Metadata {
  const metadata = new Metadata();
  if (namespace !== undefined) metadata.set('containerd-namespace', namespace);
  if (lease !== undefined) metadata.set('containerd-lease', lease);
  return metadata;
}

/** Calls a method of a client that answers once. */
export function ask<Request, Response>(
  client: Client,
  method: UnaryMethod<Request, Response>,
  request: Request,
  metadata: Metadata,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    method.call(client, request, metadata, {}, (error, response) => {
      if (error === null) resolve(response);
      else reject(error);
    });
  });
}

/** All messages of an answer that is a stream. */
export async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const messages: T[] = [];
  for await (const message of stream) messages.push(message);
  return messages;
}

/** A Write: `say` resolves with the answer to a message, or rejects with what the stream ended with. */
export class WriteCall {
  readonly #stream: ClientDuplexStream<WriteContentRequest, WriteContentResponse>;
  readonly #answers: WriteContentResponse[] = [];
  #waiting: (() => void) | undefined;
  #ended: { readonly error: unknown } | undefined;

  constructor(content: ContentClient, metadata: Metadata) {
    this.#stream = content.write(metadata);
    this.#stream.on('data', (answer: WriteContentResponse) => {
      this.#answers.push(answer);
      this.#waiting?.();
    });
    const ended = (error: unknown) => {
      this.#ended ??= { error };
      this.#waiting?.();
    };
    this.#stream.on('error', ended);
    this.#stream.on('end', () => ended(new Error('the stream has ended')));
  }

  async say(message: Partial<WriteContentRequest>): Promise<WriteContentResponse> {
    this.#stream.write({
      action: WriteAction.WRITE,
      ref: '',
      total: 0,
      expected: '',
      offset: 0,
      data: Buffer.alloc(0),
      labels: {},
      ...message,
    });
    return this.#answer();
  }

  cancel(): void {
    this.#stream.cancel();
  }

  /** Closes without COMMIT; resolves when the server has done so, too. containerd repeats its last answer then. */
  async end(): Promise<void> {
    this.#stream.end();
    while (this.#ended === undefined) await this.#news();
  }

  async #answer(): Promise<WriteContentResponse> {
    for (;;) {
      const answer = this.#answers.shift();
      if (answer !== undefined) return answer;
      if (this.#ended !== undefined) throw this.#ended.error;
      await this.#news();
    }
  }

  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }
}
