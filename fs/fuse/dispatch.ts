// From the bytes of a request to an operation of the Filesystem and the bytes of its reply.
//
// 1. A request that fails, however it fails, fails alone: an FsError answers its errno, a malformed request
//    EINVAL, and any other exception is a bug, which is reported and answered EIO while the mount goes on.
// 2. A request that is to be served later (later.ts) is kept, and others are served meanwhile.
// 3. An entry or a handle that went out in a reply counts. If the reply could not be delivered (its asker was
//    killed), `undelivered` takes it back.

import { EINTR, EINVAL, EIO, ENOSYS, FsError } from '../errno.js';
import type { Filesystem, NodeId } from '../filesystem.js';
import { Later, type Task, type TaskSource } from '../later.js';
import * as abi from './abi.js';
import { type Caching, Conversation, NO_REPLY, type Outcome } from './conversation.js';
import { KeptRequests } from './kept-requests.js';
import { OPERATIONS, type Operation, operationOf } from './operations.js';
import type { RequestTime, RequestTimes } from './request-times.js';

/** A bug that a request met: what was asked for, and the exception. */
export interface Fault {
  readonly operation: string;
  readonly error: unknown;
}

export class Dispatcher {
  readonly #talk: Conversation;
  readonly #onFault: (fault: Fault) => void;
  /** What the last reply was to, and how long its body is, for `undelivered`. */
  #lastOpcode = 0;
  #lastBody = 0;
  /** Requests so far. */
  requests = 0;
  readonly #counts = new Float64Array(abi.FUSE_OPCODES);
  readonly #tasks: TaskSource | undefined;
  readonly #kept = new KeptRequests();
  /** The task that is over, while those who waited for it are served. */
  #over: Task | undefined;
  readonly #times: RequestTimes | undefined;

  /** `tasks`: who does those that `filesystem` may let its callers wait for; `times`: where their times go. */
  constructor(
    filesystem: Filesystem,
    onFault: (fault: Fault) => void,
    caching: Caching = {},
    tasks?: TaskSource,
    times?: RequestTimes,
  ) {
    this.#talk = new Conversation(filesystem, caching);
    this.#onFault = onFault;
    this.#tasks = tasks;
    this.#times = times;
  }

  /** From now on `filesystem` answers: the same one, watched or no longer. */
  serveFrom(filesystem: Filesystem): void {
    this.#talk.filesystem = filesystem;
  }

  /** Where a request is to be read to. */
  get requestBytes(): Uint8Array {
    return this.#talk.request.bytes;
  }

  /** Where the reply is. */
  get replyBytes(): Uint8Array {
    return this.#talk.reply.bytes;
  }

  /** True once INIT was answered. */
  get initialized(): boolean {
    return this.#talk.minor !== 0;
  }

  /** The nodes that somebody can write to without a request. */
  writers(): NodeId[] {
    return this.#talk.passthrough?.writers() ?? [];
  }

  /** The nodes whose object the kernel has. */
  keepers(): NodeId[] {
    return this.#talk.passthrough?.keepers() ?? [];
  }

  /** How long each kind of request took, if that is measured. */
  times(): Record<string, RequestTime> | undefined {
    return this.#times?.byKind();
  }

  /** How often each operation was asked for. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    this.#counts.forEach((count, opcode) => {
      const name = OPERATIONS[opcode]?.name;
      if (count > 0 && name !== undefined) counts[name] = (counts[name] ?? 0) + count;
    });
    return counts;
  }

  /** Serves the request of `length` bytes in `requestBytes`; returns the bytes of `replyBytes` to write, 0 for none. */
  dispatch(length: number): number {
    const { request, reply } = this.#talk;
    this.#lastBody = 0;
    this.#lastOpcode = 0;
    if (!request.begin(length)) {
      const error = new Error(`the device gave ${length} bytes that are no request`);
      this.#onFault({ operation: 'read', error });
      return 0;
    }
    this.requests++;
    const opcode = request.opcode;
    const known = operationOf(opcode);
    if (known === undefined) return reply.finish(request, -ENOSYS, 0);
    this.#counts[opcode]!++;
    if (opcode === abi.FUSE_INTERRUPT) return this.#interrupt();
    return this.#serve(known, opcode);
  }

  /**
   * Serves the next request whose task is over, as `dispatch`; undefined if there is none. To be called when the one who
   * does tasks says that something is over, until it answers undefined.
   */
  resume(): number | undefined {
    const tasks = this.#tasks;
    if (tasks === undefined) return undefined;
    const { request, reply } = this.#talk;
    this.#lastBody = 0;
    this.#lastOpcode = 0;
    for (;;) {
      this.#over ??= tasks.takeFinished();
      const task = this.#over;
      if (task === undefined) return undefined;
      if (!this.#kept.take(task, request)) {
        this.#over = undefined;
        task.end();
        continue;
      }
      if (task.errno !== 0) return reply.finish(request, -(task.errno ?? EIO), 0);
      const { opcode } = request;
      tasks.again = true;
      try {
        return this.#serve(OPERATIONS[opcode]!, opcode);
      } finally {
        tasks.again = false;
      }
    }
  }

  /** True while a request waits whose asker has a signal: `giveUp` is to be called from time to time. */
  get anySignalled(): boolean {
    return this.#kept.anySignalled;
  }

  /** Answers a request whose asker is being killed, as `dispatch`; 0 if there is none. */
  giveUp(): number {
    const { request, reply } = this.#talk;
    this.#lastBody = 0;
    return this.#kept.takeKilled(request) ? reply.finish(request, -EINTR, 0) : 0;
  }

  /** The kernel expects no answer to the INTERRUPT itself. */
  #interrupt(): number {
    const { request } = this.#talk;
    if (request.bodyLength < 8) return 0;
    this.#kept.signal(request.u32(0), request.u32(4));
    return this.giveUp();
  }

  #serve(known: Operation, opcode: number): number {
    const { request, reply } = this.#talk;
    const outcome =
      this.#times === undefined ? this.#outcome(known) : this.#timed(known, opcode, this.#times);
    if (outcome === NO_REPLY || known.silent === true) return 0;
    if (outcome < 0) return reply.finish(request, outcome, 0);
    this.#lastOpcode = opcode;
    this.#lastBody = outcome;
    return reply.finish(request, 0, outcome);
  }

  /**
   * What the kernel must be told without having asked, one message a call: its bytes in `replyBytes`, 0 when there is
   * no more. To be called when the reply is out, because both are made in one place.
   */
  notice(): number {
    const { reply, stale } = this.#talk;
    const node = stale.pop();
    return node === undefined ? 0 : reply.invalidation(node);
  }

  #timed(known: Operation, opcode: number, times: RequestTimes): Outcome {
    const begin = performance.now();
    const outcome = this.#outcome(known);
    times.add(opcode, performance.now() - begin);
    return outcome;
  }

  #outcome(known: Operation): Outcome {
    try {
      if (this.#talk.request.bodyLength < known.body) return -EINVAL;
      return known.handle(this.#talk);
    } catch (error) {
      if (error instanceof Later) {
        this.#kept.keep(this.#talk.request, error.task);
        return NO_REPLY;
      }
      if (error instanceof FsError && error.errno > 0 && error.errno <= abi.FUSE_MAX_ERRNO) {
        return -error.errno;
      }
      this.#onFault({ operation: known.name, error });
      return -EIO;
    }
  }

  /** Makes the reply that the kernel refused one of EIO, so that the asker does not wait for ever. */
  refused(errno: number): number {
    const { request, reply } = this.#talk;
    const operation = OPERATIONS[request.opcode]?.name ?? 'unknown';
    this.#onFault({ operation, error: new FsError(errno, 'the kernel refused a reply') });
    this.undelivered();
    return reply.finish(request, -EIO, 0);
  }

  /** Takes back what the last reply gave out: it did not reach its asker. */
  undelivered(): void {
    const body = this.#lastBody;
    this.#lastBody = 0;
    if (body === 0) return;
    const talk = this.#talk;
    const { reply, filesystem } = talk;
    switch (this.#lastOpcode) {
      case abi.FUSE_CREATE:
      case abi.FUSE_TMPFILE:
        // Where nodes stand for what is open, the handle goes with its node.
        if (talk.nodesAreHandles) {
          const node = reply.readU64(abi.fuse_entry_out.nodeid);
          talk.passthrough?.release(node, talk.request.u32(abi.fuse_create_in.flags));
        } else filesystem.release(reply.readU64(abi.fuse_entry_out.size + abi.fuse_open_out.fh));
        this.#forgetEntry();
        break;
      case abi.FUSE_LOOKUP:
      case abi.FUSE_MKNOD:
      case abi.FUSE_MKDIR:
      case abi.FUSE_SYMLINK:
      case abi.FUSE_LINK:
        this.#forgetEntry();
        break;
      case abi.FUSE_READDIRPLUS:
        reply.eachListedNode(body, (node) => filesystem.forget(node, 1));
        break;
      case abi.FUSE_OPEN:
        if (talk.nodesAreHandles) {
          talk.passthrough?.release(talk.request.node, talk.request.u32(abi.fuse_open_in.flags));
        } else filesystem.release(reply.readU64(abi.fuse_open_out.fh));
        break;
      case abi.FUSE_OPENDIR:
        filesystem.releasedir(reply.readU64(abi.fuse_open_out.fh));
        break;
      default:
        break;
    }
  }

  #forgetEntry(): void {
    const node = this.#talk.reply.readU64(abi.fuse_entry_out.nodeid);
    if (node !== 0) this.#talk.forget(node, 1);
  }
}
