// A gRPC service as plain functions. A handler is given the request and its caller, and answers with a promise or, where
// the answer is a stream, an async iterable; its failure ends the call with the status of its kind (status.ts). What
// gRPC needs around that is here: headers, cancelling, streams that wait for slow readers.

import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  Server,
  ServerDuplexStream,
  ServerWritableStream,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { StoreError } from '../../errors.js';
import { type CallStatus, isForeseen, statusOf } from '../status.js';

/** Who calls. */
export interface Caller {
  /** Of the header `containerd-namespace`; a containerd that uses us as a plugin need not send it. */
  readonly namespace: string | undefined;
  /** Of the header `containerd-lease`: the lease that is to hold what the call makes. */
  readonly lease: string | undefined;
  /** Aborted when the client goes away or gives up. */
  readonly signal: AbortSignal;
}

/** A method of a service as ts-proto describes it. */
interface Method {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}
type Request<M> = M extends { requestDeserialize: (bytes: Buffer) => infer R } ? R : never;
type Response<M> = M extends { responseDeserialize: (bytes: Buffer) => infer R } ? R : never;

type Answer<M> = M extends { responseStream: true } ? AsyncIterable<Response<M>> : Promise<Response<M>>;
type Question<M> = M extends { requestStream: true } ? AsyncIterable<Request<M>> : Request<M>;

/** What a service does: a function for each method of its definition. */
export type Handlers<Definition> = {
  readonly [M in keyof Definition]: (
    request: Question<Definition[M]>,
    caller: Caller,
  ) => Answer<Definition[M]>;
};

export interface Service {
  readonly definition: Readonly<Record<string, Method>>;
  readonly handlers: Readonly<Record<string, unknown>>;
}

/** Ties the handlers of a service to the definition that was generated for it. */
export function service<Definition extends Readonly<Record<string, Method>>>(
  definition: Definition,
  handlers: Handlers<Definition>,
): Service {
  return { definition, handlers };
}

/** The full name of a service, as its methods' paths have it. */
export function serviceName({ definition }: Service): string {
  const [method] = Object.values(definition);
  return method?.path.split('/')[1] ?? '';
}

/** The calls whose handlers are at work, their clients there or not. */
export class Calls {
  readonly #running = new Set<Promise<void>>();

  add(call: Promise<void>): void {
    const done = call.finally(() => this.#running.delete(done));
    this.#running.add(done);
  }

  get size(): number {
    return this.#running.size;
  }

  /** Resolves when no handler is at work. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}

/** Hears of the calls of a server. */
export interface CallListener {
  /** Of failures that nobody foresaw. */
  readonly onFault: (error: unknown, path: string) => void;
  /** Of calls that are answered once, and did what they were asked for. */
  readonly onDone: (path: string) => void;
}

/** Adds a service to a server. */
export function addService(
  server: Server,
  { definition, handlers }: Service,
  calls: Calls,
  { onFault, onDone }: CallListener,
): void {
  const implementation: UntypedServiceImplementation = {};
  for (const [name, method] of Object.entries(definition)) {
    const failed: Failed = (error) => {
      if (!isForeseen(error)) onFault(error, method.path);
      return statusOf(error);
    };
    implementation[name] = adapted(method, handlers[name], {
      calls,
      failed,
      done: () => onDone(method.path),
    });
  }
  // What ts-proto generates is what grpc-js asks for, under the name of its own interface.
  server.addService(definition as Parameters<Server['addService']>[0], implementation);
}

/** The namespace of a call that needs one; failed-precondition without. */
export function requiredNamespace({ namespace }: Caller): string {
  if (namespace !== undefined) return namespace;
  throw new StoreError('failed-precondition', 'cannot answer', 'namespace is required');
}

type Failed = (error: unknown) => CallStatus;
interface Around {
  readonly calls: Calls;
  readonly failed: Failed;
  readonly done: () => void;
}
type AnyCall = { readonly metadata: Metadata; on(event: 'cancelled', listener: () => void): unknown };

function adapted(method: Method, handler: unknown, around: Around): UntypedServiceImplementation[string] {
  if (method.requestStream && !method.responseStream) {
    throw new Error(`${method.path}: no service of ours is sent a stream and answers once`);
  }
  if (method.requestStream) return both(handler as AnyBoth, around);
  return method.responseStream
    ? streamed(handler as AnyStreamed, around)
    : unary(handler as AnyUnary, around);
}

type AnyUnary = (request: unknown, caller: Caller) => Promise<unknown>;
type AnyStreamed = (request: unknown, caller: Caller) => AsyncIterable<unknown>;
type AnyBoth = (requests: AsyncIterable<unknown>, caller: Caller) => AsyncIterable<unknown>;

function unary(handler: AnyUnary, { calls, failed, done }: Around): handleUnaryCall<unknown, unknown> {
  return (call, respond) => {
    // A handler that throws before it promises anything fails the same way.
    const answer = async () => handler(call.request, callerOf(call));
    calls.add(
      answer().then(
        (response) => {
          done();
          respond(null, response);
        },
        (error: unknown) => respond(failed(error)),
      ),
    );
  };
}

function streamed(
  handler: AnyStreamed,
  { calls, failed }: Around,
): handleServerStreamingCall<unknown, unknown> {
  return (call) => {
    calls.add(send(call, (caller) => handler(call.request, caller), failed));
  };
}

function both(handler: AnyBoth, { calls, failed }: Around): handleBidiStreamingCall<unknown, unknown> {
  return (call) => {
    // A handler that has heard enough ends the answers, not the connection under them.
    const requests: AsyncIterable<unknown> = {
      [Symbol.asyncIterator]: () => call.iterator({ destroyOnReturn: false }),
    };
    calls.add(send(call, (caller) => handler(requests, caller), failed));
  };
}

/** Sends what `answer` yields as fast as the client takes it; a client that goes away ends the iteration. */
async function send(
  call: ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>,
  answer: (caller: Caller) => AsyncIterable<unknown>,
  failed: Failed,
): Promise<void> {
  const caller = callerOf(call);
  try {
    for await (const response of answer(caller)) {
      if (caller.signal.aborted) return;
      if (!call.write(response)) await drained(call, caller.signal);
    }
    call.end();
  } catch (error) {
    const status = failed(error);
    if (!caller.signal.aborted) call.emit('error', status);
  }
}

/** Resolves when more may be written, or when nobody reads any more. */
function drained(call: NodeJS.EventEmitter, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    call.on('drain', done);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}

function callerOf(call: AnyCall): Caller {
  const gone = new AbortController();
  call.on('cancelled', () => gone.abort());
  return {
    namespace: header(call.metadata, 'containerd-namespace'),
    lease: header(call.metadata, 'containerd-lease'),
    signal: gone.signal,
  };
}

/** The first value of a header; undefined if it is absent or empty. */
function header(metadata: Metadata, name: string): string | undefined {
  const [value] = metadata.get(name);
  return typeof value === 'string' && value !== '' ? value : undefined;
}
