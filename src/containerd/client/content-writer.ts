// A writer of one ingest at a server: content.v1 Write, a stream in which each message is answered before the next is sent,
// so that offset and digest are known after each write and no more than one message is held here.
//
// Whatever ends the stream leaves the ingest at the server, to be gone on with; only a commit ends it.

import type { ClientDuplexStream } from '@grpc/grpc-js';
import type {
  BlobInfo,
  CommitOptions,
  ContentWriter,
  IngestStatus,
  WriterOptions,
} from '../../content/content.js';
import { assertCut, writerEnded } from '../../content/row-content.js';
import { type Digest, digestOf } from '../../digest.js';
import { StoreError } from '../../errors.js';
import { timeNow } from '../../time.js';
import { timeOf } from '../convert.js';
import {
  ContentService,
  WriteAction,
  type WriteContentRequest,
  type WriteContentResponse,
} from '../gen/containerd/services/content/v1/content.js';
import type { Connection } from './connection.js';

/** The most bytes of one message, as containerd reads blobs. */
const PIECE = 1 << 20;

type Call = ClientDuplexStream<WriteContentRequest, WriteContentResponse>;

export class ProxyWriter implements ContentWriter {
  readonly ref: string;
  readonly #connection: Connection;
  readonly #call: Call;
  readonly #answers: AsyncIterator<WriteContentResponse>;
  readonly #info: (digest: Digest) => Promise<BlobInfo>;
  readonly #told: WriterOptions;
  /** One message is under way at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  #status: IngestStatus;
  #digest: Digest;
  #ended = false;

  private constructor(
    connection: Connection,
    told: WriterOptions,
    call: Call,
    answers: AsyncIterator<WriteContentResponse>,
    begun: WriteContentResponse,
    info: (digest: Digest) => Promise<BlobInfo>,
  ) {
    this.ref = told.ref;
    this.#connection = connection;
    this.#told = told;
    this.#call = call;
    this.#answers = answers;
    this.#info = info;
    this.#digest = begun.digest === '' ? digestOf('') : begun.digest;
    const { ref, total = 0, expected } = told;
    // What the namespace may have without sending it is whole.
    const isWhole = begun.offset > 0 && this.#digest === expected;
    this.#status = {
      ref,
      offset: begun.offset,
      total: begun.total || total || (isWhole ? begun.offset : 0),
      ...(expected === undefined ? {} : { expected }),
      startedAt: timeOf(begun.startedAt),
      updatedAt: timeOf(begun.updatedAt),
    };
  }

  /** `info` tells of a blob that was committed. Errors as `Content.writer`. */
  static async open(
    connection: Connection,
    told: WriterOptions,
    info: (digest: Digest) => Promise<BlobInfo>,
  ): Promise<ProxyWriter> {
    const call = connection.both(ContentService.write);
    const answers = call[Symbol.asyncIterator]() as AsyncIterator<WriteContentResponse>;
    const { ref, expected = '', total = 0 } = told;
    const first = { ...message(WriteAction.STAT), ref, expected, total };
    try {
      const begun = await asked(call, answers, first);
      return new ProxyWriter(connection, told, call, answers, begun, info);
    } catch (error) {
      call.cancel();
      throw connection.failure(error, `cannot write ingest ${ref}`);
    }
  }

  get offset(): number {
    return this.#status.offset;
  }

  status(): IngestStatus {
    return this.#status;
  }

  digest(): Digest {
    return this.#digest;
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#next(async () => {
      for (let at = 0; at < chunk.length; at += PIECE) {
        const piece = chunk.subarray(at, at + PIECE);
        const data = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
        await this.#ask({ ...message(WriteAction.WRITE), offset: this.offset, data });
      }
    });
  }

  truncate(size: number): Promise<void> {
    return this.#next(async () => {
      assertCut(this, size);
      if (size === this.offset) return;
      if (size > 0) {
        const what = `cannot cut ingest ${this.ref} to ${size} bytes`;
        throw new StoreError('unsupported', what, 'a server keeps all bytes or none');
      }
      // An offset of 0 where there are bytes begins again; it needs none of its own.
      await this.#ask(message(WriteAction.WRITE));
    });
  }

  commit({ expected, size, labels = {} }: CommitOptions = {}): Promise<BlobInfo> {
    return this.#next(async () => {
      const what = `cannot commit ingest ${this.ref}`;
      const total = size ?? this.#told.total ?? 0;
      this.#ended = true;
      try {
        if (size === 0 && this.offset > 0) {
          // For a server a size of 0 is none.
          await this.#finish();
          throw new StoreError('failed-precondition', what, `it has ${this.offset} bytes, not 0`);
        }
        const { digest } = await asked(this.#call, this.#answers, {
          ...message(WriteAction.COMMIT),
          offset: this.offset,
          total,
          expected: expected ?? this.#told.expected ?? '',
          labels: { ...labels },
        });
        await this.#finish();
        return await this.#info(digest);
      } catch (error) {
        this.#call.cancel();
        throw this.#connection.failure(error, what);
      }
    });
  }

  async close(): Promise<void> {
    await this.#turn.catch(() => undefined);
    if (this.#ended) return;
    this.#ended = true;
    try {
      await this.#finish();
    } catch (error) {
      throw this.#connection.failure(error, `cannot close ingest ${this.ref}`);
    }
  }

  /** Runs `act` when all before it is done. */
  #next<T>(act: () => Promise<T>): Promise<T> {
    const run = this.#turn.then(() => {
      if (this.#ended) throw writerEnded(this.ref);
      return act();
    });
    this.#turn = run.catch(() => undefined);
    return run;
  }

  async #ask(request: WriteContentRequest): Promise<void> {
    try {
      const { offset, digest } = await asked(this.#call, this.#answers, request);
      this.#digest = digest;
      this.#status = { ...this.#status, offset, updatedAt: timeNow() };
    } catch (error) {
      this.#ended = true;
      this.#call.cancel();
      throw this.#connection.failure(error, `cannot write ingest ${this.ref}`);
    }
  }

  /** Says that nothing more comes, and hears the server out, who lets go of the ref then. */
  async #finish(): Promise<void> {
    this.#call.end();
    for (;;) {
      const { done } = await this.#answers.next();
      if (done === true) return;
    }
  }
}

function message(action: WriteAction): WriteContentRequest {
  return { action, ref: '', total: 0, expected: '', offset: 0, data: Buffer.alloc(0), labels: {} };
}

/** Sends a message and returns its answer. */
async function asked(
  call: Call,
  answers: AsyncIterator<WriteContentResponse>,
  request: WriteContentRequest,
): Promise<WriteContentResponse> {
  call.write(request);
  const { done, value } = await answers.next();
  if (done !== true) return value;
  throw new Error('the server ended the stream without an answer');
}
