// One connection to a server of containerd's services, ours or containerd's own: typed calls over the definitions that
// were generated, each with the header of its namespace, and failures as those of the store.
//
// Calls that are answered once run a number at a time, and the others wait: a server is not flooded by who has a thousand
// names to ask for. A stream is read and written as fast as its other end goes.

import {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  status,
} from '@grpc/grpc-js';
import { StoreError } from '../../errors.js';
import { socketPath } from '../address.js';
import { failureOfStatus } from '../status.js';

/** What containerd sends and takes at most; grpc-js would stop at 4 MiB. */
const MAX_MESSAGE = 16 << 20;
/** How many calls run at a time. */
const IN_FLIGHT = 32;

export interface ConnectionOptions {
  readonly namespace: string;
  /** What is made is held by this lease, which must exist. */
  readonly lease?: string;
  /** Cancels what is under way. */
  readonly signal?: AbortSignal;
}

/** A method as ts-proto describes it. */
interface Method<Request, Response> {
  readonly path: string;
  readonly requestSerialize: (request: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

/** For one call, instead of what the connection has. */
export interface CallOptions {
  /** Begins the failure ("cannot stat snapshot k"). */
  readonly what: string;
  readonly lease?: string | undefined;
}

export class Connection {
  readonly #client: Client;
  readonly #address: string;
  readonly #options: ConnectionOptions;
  readonly #slots = new Slots(IN_FLIGHT);

  /**
   * `address` is a socket's (address.ts). Nothing is sent yet; invalid-argument for what cannot be one.
   */
  constructor(address: string, options: ConnectionOptions) {
    this.#address = socketPath(address);
    this.#options = options;
    this.#client = new Client(`unix:${this.#address}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': MAX_MESSAGE,
      'grpc.max_send_message_length': MAX_MESSAGE,
      // A server that was started again is found soon.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 2000,
      'grpc.default_authority': 'localhost',
      'grpc.enable_channelz': 0,
    });
  }

  /** A call that is answered once. */
  async unary<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    { what, lease }: CallOptions,
  ): Promise<Response> {
    return this.#slots.run(
      () =>
        new Promise<Response>((done, failed) => {
          const call = this.#client.makeUnaryRequest(
            method.path,
            method.requestSerialize,
            method.responseDeserialize,
            request,
            this.#headers(lease),
            (error, response) => {
              stopListening();
              if (error === null && response !== undefined) done(response);
              else failed(this.failure(error, what));
            },
          );
          const stopListening = this.#cancelling(call);
        }),
    );
  }

  /** A call whose answer is a stream; who leaves the iteration ends the call. */
  async *stream<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    { what, lease }: CallOptions,
  ): AsyncGenerator<Response, void> {
    const call: ClientReadableStream<Response> = this.#client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      this.#headers(lease),
    );
    call.on('error', heard);
    const stopListening = this.#cancelling(call);
    try {
      for await (const message of call) yield message as Response;
    } catch (error) {
      throw this.failure(error, what);
    } finally {
      stopListening();
      call.cancel();
    }
  }

  /** A call with a stream in both directions. Its failures are to be handed to `failure`. */
  both<Request, Response>(method: Method<Request, Response>): ClientDuplexStream<Request, Response> {
    const call = this.#client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      this.#headers(undefined),
    );
    call.on('error', heard);
    call.once('status', this.#cancelling(call));
    return call;
  }

  /** What failed, as a failure of `what`. */
  failure(error: unknown, what: string): unknown {
    const { signal } = this.#options;
    if (signal?.aborted === true)
      return new StoreError('canceled', what, 'stopped on request', { cause: error });
    if (!isUnreachable(error)) return failureOfStatus(error, what);
    const reason = /connect (E[A-Z]+)/.exec(error.details)?.[1];
    const why =
      reason === 'ENOENT'
        ? 'there is no such socket'
        : reason === 'EACCES'
          ? 'this user may not connect to it'
          : reason === undefined
            ? `the connection ended (${error.details})`
            : 'nobody listens there';
    const hint =
      reason === undefined
        ? 'if the server is starting again, try again in a moment'
        : `mica serve --address ${this.#address} serves a store there; without --address the store is opened directly`;
    return new StoreError('unavailable', `cannot reach the server at ${this.#address}`, why, {
      cause: error,
      hint,
    });
  }

  close(): void {
    this.#client.close();
  }

  #headers(lease: string | undefined): Metadata {
    const headers = new Metadata();
    headers.set('containerd-namespace', this.#options.namespace);
    const held = lease ?? this.#options.lease;
    if (held !== undefined) headers.set('containerd-lease', held);
    return headers;
  }

  /** Ends `call` when the connection's signal says so; returns what stops listening to that. */
  #cancelling(call: { cancel(): void }): () => void {
    const { signal } = this.#options;
    if (signal === undefined) return () => undefined;
    const cancel = (): void => call.cancel();
    if (signal.aborted) cancel();
    signal.addEventListener('abort', cancel, { once: true });
    return () => signal.removeEventListener('abort', cancel);
  }
}

/** Whoever reads a stream is told of its failure there; what cancels it is told nowhere. */
function heard(): void {
  // Node ends a process for an error that nobody listens to.
}

/** Whether the server could not be reached or went away; UNAVAILABLE is also what a server says of an ingest in use. */
function isUnreachable(error: unknown): error is Error & { readonly details: string } {
  if (!(error instanceof Error && 'code' in error && error.code === status.UNAVAILABLE)) return false;
  const details = 'details' in error && typeof error.details === 'string' ? error.details : '';
  return /No connection established|Connection dropped|ECONN|EPIPE|transport|Channel has been shut down/i.test(
    details,
  );
}

/** At most so many at a time, in the order of asking. */
class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(act: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((next) => this.#waiting.push(next));
    try {
      return await act();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
