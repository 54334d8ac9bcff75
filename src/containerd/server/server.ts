// A gRPC server on sockets that listen already. It reads from them itself and hands each connection to grpc-js, so that
// who made the socket (this program, systemd, a test) is nothing to it.
//
// It ends in two ways: `stop` takes no more calls and lets those that run come to their end; `abort` drops them.

import type { Server as Listener, Socket } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { collectGarbage } from '../../collect.js';
import { BoundSnapshotter } from '../../snapshots/bound-snapshotter.js';
import type { Store } from '../../store.js';
import { CollectionSchedule } from './collection-schedule.js';
import { Collections } from './collections.js';
import { addService, Calls } from './service.js';
import { servicesOf } from './services.js';

/** What containerd sends and takes at most (its `defaults.DefaultMaxRecvMsgSize`); grpc-js would stop at 4 MiB. */
const MAX_MESSAGE = 16 << 20;

export interface ServerOptions {
  /** Any namespace of the root to serve. Closed by whoever opened it, after the server has ended. */
  readonly store: Store;
  /** The name of the partition of the socket. */
  readonly partition: string;
  /** Snapshots are handed out as binds of mounts that such a host serves, instead of naming the program that mounts. */
  readonly binds?: 'shared' | 'own';
  /** How long after a client let go of something a collection begins by itself; default 1 s. */
  readonly collectAfterMs?: number;
  /** Told of failures that nobody foresaw, with the method that was called. */
  readonly onFault: (error: unknown, path: string) => void;
}

export class StoreServer {
  readonly #server = new Server({
    'grpc.max_receive_message_length': MAX_MESSAGE,
    'grpc.max_send_message_length': MAX_MESSAGE,
    'grpc.enable_channelz': 0,
  });
  readonly #connections = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
  readonly #listeners = new Set<Listener>();
  readonly #sockets = new Set<Socket>();
  readonly #stopping = new AbortController();
  readonly #calls = new Calls();
  readonly #schedule: CollectionSchedule;
  readonly #collections: Collections;

  constructor({ store, partition: name, binds, collectAfterMs, onFault }: ServerOptions) {
    const namespaces = new Map<string, Store>();
    const schedule = new CollectionSchedule(
      () => collections.run(),
      (error) => onFault(error, 'garbage collection'),
      collectAfterMs,
    );
    const collections = new Collections(async () => {
      const ended = schedule.begin();
      try {
        await collectGarbage(store);
      } finally {
        ended();
      }
    });
    this.#schedule = schedule;
    this.#collections = collections;
    const partition = store.inPartition(name);
    const { snapshots, state, namespace, folders } = partition;
    const services = servicesOf({
      partition,
      snapshots: binds
        ? new BoundSnapshotter(snapshots, { state, namespace, folders, hosting: binds })
        : snapshots,
      namespace: (name) => {
        const known = namespaces.get(name) ?? store.inNamespace(name);
        namespaces.set(name, known);
        return known;
      },
      collect: () => collections.run(),
      stopping: this.#stopping.signal,
    });
    const listener = { onFault, onDone: (path: string) => schedule.done(path) };
    for (const service of services) addService(this.#server, service, this.#calls, listener);
  }

  /** Serves whoever connects. */
  serve(listener: Listener): void {
    this.#listeners.add(listener);
    listener.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      this.#connections.injectConnection(socket);
    });
  }

  /** How many calls are being answered. */
  get calls(): number {
    return this.#calls.size;
  }

  /** Takes no more connections and calls, and resolves when those that run are done. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#schedule.close();
    const closed = [...this.#listeners].map(
      (listener) => new Promise<void>((resolve) => listener.close(() => resolve())),
    );
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    await this.#calls.idle();
    await this.#collections.idle();
    await Promise.all(closed);
  }

  /** Drops every connection. Handlers that do not look at their caller's signal go on until `stop` has seen them end. */
  abort(): void {
    this.#stopping.abort();
    this.#schedule.close();
    this.#server.forceShutdown();
    // It knows the sessions of its own connections alone, and not of those that it was handed.
    for (const socket of this.#sockets) socket.destroy();
  }
}
