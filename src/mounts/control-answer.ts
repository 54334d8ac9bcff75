// Answers as they travel over a control socket: a line of JSON, and behind it, where the reply has some, the bytes of its
// `records` as they are. A trace brings some megabytes a second, which as text in the line would cost the two processes
// more than the trace itself.

import { Buffer } from 'node:buffer';
import type { ErrorKind } from '../errors.js';

export interface Failure {
  readonly kind?: ErrorKind;
  readonly errno?: number;
  readonly what: string;
  readonly why: string;
  readonly hint?: string;
}

export type Answer = { readonly reply: object } | { readonly error: Failure };

/** `followedBy`: how many bytes come behind the line. */
type Line = Answer & { readonly followedBy?: number };

const NEWLINE = 0x0a;

/** What is to be sent of an answer: its line, and what follows it. */
export function sentOf(answer: Answer): readonly Uint8Array[] {
  if (!('reply' in answer && 'records' in answer.reply && answer.reply.records instanceof Uint8Array)) {
    return [Buffer.from(`${JSON.stringify(answer)}\n`)];
  }
  const { records, ...reply } = answer.reply;
  return [Buffer.from(`${JSON.stringify({ reply, followedBy: records.length })}\n`), records];
}

/** Puts answers together from what comes over a connection, in pieces of any length. */
export class AnswerReader {
  readonly #take: (answer: Answer) => void;
  /** What has come of an answer that is not whole. */
  #pieces: Uint8Array[] = [];
  /** How much of it is to come at least. */
  #missing = 0;

  /** `take` is given each answer when it is whole. */
  constructor(take: (answer: Answer) => void) {
    this.#take = take;
  }

  push(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#missing -= piece.length;
    if (this.#missing > 0) return;
    let held = Buffer.concat(this.#pieces);
    for (let taken = -1; taken !== 0; held = held.subarray(taken)) taken = this.#takeFrom(held);
    this.#pieces = [held];
  }

  /** Takes the answer that `held` begins with; returns its length, 0 if it is not whole. */
  #takeFrom(held: Buffer): number {
    this.#missing = 0;
    const end = held.indexOf(NEWLINE);
    if (end < 0) return 0;
    const { followedBy, ...answer } = lineOf(held.toString('utf8', 0, end));
    const length = end + 1 + (followedBy ?? 0);
    this.#missing = length - held.length;
    if (this.#missing > 0) return 0;
    if (followedBy === undefined || !('reply' in answer)) this.#take(answer);
    else this.#take({ reply: { ...answer.reply, records: held.subarray(end + 1, length) } });
    return length;
  }
}

function lineOf(text: string): Line {
  try {
    return JSON.parse(text) as Line;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { error: { what: 'cannot read the answer of the server of the mount', why: 'it is not JSON' } };
  }
}
