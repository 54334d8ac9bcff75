// content.v1 Write: one writer of one ingest, spoken to in messages, each of which is answered. The rules are those of
// containerd's server, because its clients resume by them: the first message names the ref and takes it; what a later one
// says of total and digest counts from then on; an offset of 0 begins again, any other must be where the bytes end. A
// stream that ends without COMMIT, however, leaves an ingest that can be gone on with.

import { setTimeout as sleep } from 'node:timers/promises';
import type { ContentWriter, WriterOptions } from '../../content/content.js';
import { goOnAt } from '../../content/row-content.js';
import { isKind, StoreError } from '../../errors.js';
import type { Store } from '../../store.js';
import { timestampOf } from '../convert.js';
import {
  WriteAction,
  type WriteContentRequest,
  type WriteContentResponse,
} from '../gen/containerd/services/content/v1/content.js';
import { CallLease } from './call-lease.js';
import type { Caller } from './service.js';

/** How long a ref that another has is waited for: he may be about to go. Clients reckon with some 0.3 s. */
const WAITS_MS = [10, 20, 40, 80, 150] as const;

/** Runs `act` again while it says that somebody else has the ingest, for a moment. */
export async function onceFree<T>(act: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (const waitMs of WAITS_MS) {
    try {
      return await act();
    } catch (error) {
      if (!isKind(error, 'unavailable')) throw error;
    }
    await sleep(waitMs, undefined, { signal });
  }
  return act();
}

/** Answers the messages of one stream, each with one. */
export async function* answerWrites(
  store: Store,
  requests: AsyncIterable<WriteContentRequest>,
  caller: Caller,
): AsyncGenerator<WriteContentResponse, void> {
  let writing: Writing | undefined;
  try {
    for await (const request of requests) {
      writing ??= await Writing.begin(store, request, caller);
      yield await writing.take(request);
      if (request.action === WriteAction.COMMIT) return;
    }
  } finally {
    await writing?.close();
  }
}

class Writing {
  readonly #store: Store;
  readonly #writer: ContentWriter;
  readonly #lease: CallLease;
  #total = 0;
  #expected = '';
  /** One message for all answers: what STAT has filled in stays. */
  #answer: WriteContentResponse = {
    action: WriteAction.STAT,
    startedAt: undefined,
    updatedAt: undefined,
    offset: 0,
    total: 0,
    digest: '',
  };

  private constructor(store: Store, writer: ContentWriter, lease: CallLease) {
    this.#store = store;
    this.#writer = writer;
    this.#lease = lease;
  }

  static async begin(store: Store, first: WriteContentRequest, caller: Caller): Promise<Writing> {
    const { ref, expected, total } = first;
    if (ref === '') {
      throw new StoreError('invalid-argument', 'cannot write an ingest', 'the first message has no ref');
    }
    const lease = new CallLease(store.leases, caller.lease);
    const options: WriterOptions = {
      ref,
      ...(expected === '' ? {} : { expected }),
      ...(total > 0 ? { total } : {}),
    };
    const writer = await lease.holding({ type: 'ingests', id: ref }, async () => {
      try {
        return await onceFree(() => store.content.writer(options), caller.signal);
      } catch (error) {
        // So that nobody takes it away before the caller, who now need not send it, has named it.
        if (isKind(error, 'already-exists')) await lease.hold({ type: 'content', id: expected });
        throw error;
      }
    });
    return new Writing(store, writer, lease);
  }

  async take(request: WriteContentRequest): Promise<WriteContentResponse> {
    const { action, expected, total } = request;
    if (expected !== '') await this.#expect(expected);
    if (total > 0) this.#total = total;
    const written = action === WriteAction.STAT ? this.#stat() : await this.#write(request);
    this.#answer = { ...this.#answer, ...written, action };
    return this.#answer;
  }

  /** Without COMMIT the ingest stays. */
  async close(): Promise<void> {
    await this.#writer.close();
  }

  async #expect(expected: string): Promise<void> {
    this.#expected = expected;
    if (!(await this.#store.content.has(expected))) return;
    const { ref } = this.#writer;
    await this.#writer.close();
    await this.#store.content.abort(ref);
    await this.#lease.release({ type: 'ingests', id: ref });
    const why = `a blob with the expected digest ${expected} exists`;
    throw new StoreError('already-exists', `cannot write ingest ${ref}`, why);
  }

  #stat(): Partial<WriteContentResponse> {
    const { startedAt, updatedAt, offset } = this.#writer.status();
    return {
      startedAt: timestampOf(startedAt),
      updatedAt: timestampOf(updatedAt),
      offset,
      total: this.#total,
      digest: this.#writer.digest(),
    };
  }

  async #write({
    action,
    offset,
    data,
    labels,
  }: WriteContentRequest): Promise<Partial<WriteContentResponse>> {
    const writer = this.#writer;
    if (offset >= 0) await goOnAt(writer, offset);
    if (data.length > 0) await writer.write(data);
    const written = { offset: writer.offset, digest: writer.digest() };
    if (action === WriteAction.COMMIT) await this.#commit(labels);
    return written;
  }

  async #commit(labels: Readonly<Record<string, string>>): Promise<void> {
    const { ref } = this.#writer;
    const digest = this.#writer.digest();
    const commit = () =>
      this.#writer.commit({
        labels,
        ...(this.#expected === '' ? {} : { expected: this.#expected }),
        ...(this.#total > 0 ? { size: this.#total } : {}),
      });
    await this.#lease.holding({ type: 'content', id: digest }, commit, (error) =>
      isKind(error, 'already-exists'),
    );
    await this.#lease.release({ type: 'ingests', id: ref });
  }
}
