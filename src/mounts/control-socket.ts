// The control protocol on a unix socket: one JSON object a line in both directions, answers in the order of the
// questions. What an answer has of records follows its line.

import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { FsError } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import type { ControlClient, ControlHandler, ControlReply, ControlRequest } from './control.js';
import { type Answer, AnswerReader, type Failure, sentOf } from './control-answer.js';
import { type Arguments, requestOf } from './request-line.js';
import { connectTo, linesOf, listenAt } from './unix-socket.js';

/** How long answers may be read after the end of the server. */
const READING_MS = 1000;

export interface ControlServer {
  /** Ends all connections and removes the socket. */
  close(): Promise<void>;
}

/** Answers on a new socket at `path` (in a folder that only the owner may enter). */
export async function serveControl(path: string, handler: ControlHandler): Promise<ControlServer> {
  rmSync(path, { force: true });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // An asker that has gone away is no failure of the server.
    socket.on('error', () => socket.destroy());
    answerAll(socket, handler);
  });
  await listenAt(server, path);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          rmSync(path, { force: true });
          resolve();
        });
        // What was answered is read still, but nobody is waited for who has stopped.
        for (const socket of sockets) socket.destroySoon();
        setTimeout(() => {
          for (const socket of sockets) socket.destroy();
        }, READING_MS).unref();
      }),
  };
}

/** Connects to a server; failed-precondition if there is none. */
export async function connectControl(path: string): Promise<ControlClient> {
  try {
    return new SocketClient(await connectTo(path));
  } catch (error) {
    throw gone('connect to', error);
  }
}

/** A client that asks a handler in this process, through the same bytes. */
export function memoryControl(handler: ControlHandler): ControlClient {
  let isOpen = true;
  return {
    async ask<R extends ControlRequest>(request: R): Promise<ControlReply<R['op']>> {
      if (!isOpen) throw gone('ask');
      const answers: Answer[] = [];
      const reader = new AnswerReader((answer) => answers.push(answer));
      for (const part of sentOf(await answerOne(JSON.stringify(request), handler))) reader.push(part);
      return outcome<R['op']>(answers[0]!);
    },
    close: () => {
      isOpen = false;
    },
  };
}

class SocketClient implements ControlClient {
  readonly #socket: Socket;
  readonly #waiting: { resolve: (answer: Answer) => void; reject: (error: unknown) => void }[] = [];
  #ended = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    const reader = new AnswerReader((answer) => this.#waiting.shift()?.resolve(answer));
    socket.on('data', (piece) => reader.push(piece));
    const end = (): void => {
      this.#ended = true;
      for (const { reject } of this.#waiting.splice(0)) reject(gone('ask'));
    };
    socket.on('error', end);
    socket.on('close', end);
  }

  async ask<R extends ControlRequest>(request: R): Promise<ControlReply<R['op']>> {
    if (this.#ended) throw gone('ask');
    const answer = await new Promise<Answer>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#socket.write(`${JSON.stringify(request)}\n`);
    });
    return outcome<R['op']>(answer);
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** One question after the other. */
function answerAll(socket: Socket, handler: ControlHandler): void {
  let turn = Promise.resolve();
  linesOf(socket).on('line', (line) => {
    turn = turn.then(async () => {
      const sent = sentOf(await answerOne(line, handler));
      if (socket.destroyed) return;
      socket.cork();
      for (const part of sent) socket.write(part);
      socket.uncork();
    });
  });
}

async function answerOne(line: string, handler: ControlHandler): Promise<Answer> {
  try {
    return { reply: await handler(requestOf<ControlRequest>(line, 'cannot answer a control request', OPS)) };
  } catch (error) {
    return { error: failureOf(error) };
  }
}

const OPS: Readonly<Record<ControlRequest['op'], Arguments>> = {
  status: {},
  events: { since: 'number', requests: 'boolean?', waitMs: 'number?' },
  sum: {
    id: 'string',
    filter: 'object',
    past: 'boolean',
    atMost: 'number?',
    waitMs: 'number',
    ends: 'boolean',
  },
  explain: { pathBase64: 'string', names: 'object?' },
  usage: {},
  settle: {},
  join: {},
  flush: {},
  freeze: {},
  exchange: { upper: 'object', below: 'object?', marker: 'string' },
  stop: {},
  yield: {},
};

function failureOf(error: unknown): Failure {
  if (error instanceof StoreError) {
    const { kind, what, why, hint } = error;
    return { kind, what, why, ...(hint === undefined ? {} : { hint }) };
  }
  const why = error instanceof Error ? error.message : String(error);
  return { what: 'cannot do as asked', why, ...(error instanceof FsError ? { errno: error.errno } : {}) };
}

function outcome<Op extends ControlRequest['op']>(answer: Answer): ControlReply<Op> {
  if ('reply' in answer) return answer.reply as ControlReply<Op>;
  const { kind, errno, what, why, hint } = answer.error;
  if (errno !== undefined) throw new FsError(errno, what);
  throw new StoreError(kind ?? 'failed', what, why, hint === undefined ? {} : { hint });
}

function gone(verb: string, cause?: unknown): StoreError {
  const options = { hint: 'mica mounts', ...(cause === undefined ? {} : { cause }) };
  return new StoreError(
    'failed-precondition',
    `cannot ${verb} the server of the mount`,
    'it is gone',
    options,
  );
}
