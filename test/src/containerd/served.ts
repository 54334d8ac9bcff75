// A store in a scratch folder, served over a unix socket by this process, and the calls of a client that generated code
// makes. Other implementations of the store's contracts are tried against it.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClientReadableStream, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { StoreServer } from '../../../src/containerd/server/server.js';
import { type ListeningSocket, listenAt } from '../../../src/containerd/server/socket.js';
import { Store, type StoreOptions } from '../../../src/store.js';

export interface Served {
  /** As grpc-js takes it. */
  readonly target: string;
  readonly socket: string;
  readonly store: Store;
  readonly server: StoreServer;
  /** What no handler foresaw. */
  readonly faults: unknown[];
  close(): Promise<void>;
}

/** Blobs of tests are held by nothing: a server collects only when it is asked to. */
const NEVER_MS = 2 ** 30;

/** Serves a new store; `partition` is by default the socket's path. */
export async function serveStore(
  options: Partial<StoreOptions> & { readonly partition?: string; readonly collectAfterMs?: number } = {},
): Promise<Served> {
  const folder = mkdtempSync(join(tmpdir(), 'mica-served-'));
  const socket = join(folder, 'm.sock');
  const { partition = socket, collectAfterMs = NEVER_MS, ...ofStore } = options;
  const store = await Store.open(join(folder, 'root'), {
    state: join(folder, 'state'),
    driver: 'fuse',
    durable: false,
    ...ofStore,
  });
  const faults: unknown[] = [];
  const server = new StoreServer({
    store,
    partition,
    collectAfterMs,
    onFault: (error) => faults.push(error),
  });
  const listening: ListeningSocket = await listenAt(socket);
  server.serve(listening.server);
  return {
    target: `unix:${socket}`,
    socket,
    store,
    server,
    faults,
    close: async () => {
      server.abort();
      await server.stop();
      listening.release();
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const insecure = credentials.createInsecure;

/** Headers of a call. */
export function headers(values: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(values)) metadata.set(name, value);
  return metadata;
}

/** A call that is answered once, as a promise: `ask((done) => client.stat({…}, done))`. */
export function ask<Response>(
  call: (done: (error: ServiceError | null, response: Response) => void) => unknown,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    call((error, response) => (error === null ? resolve(response) : reject(error)));
  });
}

/** All messages of an answer that is a stream. */
export async function everyMessage<Response>(call: ClientReadableStream<Response>): Promise<Response[]> {
  const all: Response[] = [];
  for await (const message of call) all.push(message as Response);
  return all;
}
