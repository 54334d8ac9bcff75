// A lab that lies behind `mica lab`: the same questions over HTTP, on the address that this page came from, which has the
// token in it. One connection stays open: on it the server tells what happens, and its end is the end of the server.

import type { Explanation } from '../../fs/memory.js';
import type { Lab, Ran, Setup, State, Told } from './model.js';

/** Between two tries to reach a server that has gone. */
const RETRY_MS = 1000;

/**
 * `here`: the lab answers; `lost`: its server is gone, and tried again and again; `other`: another lab answers at its place;
 * `taken`: another tab has it; `ended`: the live mount is gone.
 */
export type Link = 'here' | 'lost' | 'other' | 'taken' | 'ended';

/** What a page wants to be told. */
export interface Listener {
  /** The link is another one now. `isNew`: with it the lab is one that this page has not seen before. */
  linked(
    link: Link,
    hello: { readonly isNew: boolean; readonly command: string; readonly tookOver: boolean },
  ): void;
  told(told: Extract<Told, { kind: 'ran' | 'state' }>): void;
}

const NOT_HERE: Readonly<Record<Exclude<Link, 'here'>, string>> = {
  lost: 'the lab has ended',
  other: 'the lab has ended',
  taken: 'another tab has taken over this lab',
  ended: 'the mount is gone',
};

export class RemoteLab implements Lab {
  readonly engine: Lab['engine'];
  readonly #base: string;
  readonly #tab = String(Math.random()).slice(2);
  #link: Link = 'here';
  #hello = { lab: '', command: 'mica lab', tookOver: false };

  /** `base`: the folder of the page, with its slash. */
  constructor(base: string, engine: 'mount' | 'attached') {
    this.#base = base;
    this.engine = engine;
  }

  load(setup: Setup): Promise<State> {
    const { layers, containers } = setup;
    return this.#ask<State>('load', { layers, ...(containers && { containers }) });
  }

  state(focus = ''): Promise<State> {
    return this.#ask<State>('state', { focus });
  }

  run(line: string): Promise<Ran> {
    return this.#ask<Ran>('run', { line });
  }

  explain(path: string): Promise<Explanation> {
    return this.#ask<Explanation>('explain', { path });
  }

  /** Takes the lab for this page, and listens; comes back by itself to a server that answers again. */
  async listen(listener: Listener): Promise<void> {
    for (;;) {
      this.#link = await this.#heard(listener);
      listener.linked(this.#link, { ...this.#hello, isNew: false });
      if (this.#link !== 'lost') return;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  /** Hands over what is told until the connection ends; returns what that means. */
  async #heard(listener: Listener): Promise<Exclude<Link, 'here'>> {
    const response = await this.#fetch('events', { headers: this.#named });
    if (response === undefined) return 'lost';
    if (!response.ok || response.body === null) return 'other';
    try {
      for await (const told of linesOf(response.body)) {
        if (told.kind === 'taken' || told.kind === 'ended') return told.kind;
        if (told.kind !== 'hello') {
          listener.told(told);
          continue;
        }
        const isNew = told.lab !== this.#hello.lab;
        this.#hello = told;
        this.#link = 'here';
        listener.linked('here', { ...told, isNew });
      }
    } catch (error) {
      if (!isBroken(error)) throw error;
    }
    return 'lost';
  }

  async #ask<T>(what: string, request: object): Promise<T> {
    if (this.#link !== 'here') throw new Error(NOT_HERE[this.#link]);
    const response = await this.#fetch(what, {
      method: 'POST',
      headers: { ...this.#named, 'content-type': 'application/json' },
      body: JSON.stringify(request),
    });
    if (response === undefined) throw new Error(NOT_HERE.lost);
    if (response.status === 403) throw new Error(NOT_HERE.other);
    const answer = (await response.json()) as T | { readonly error: string };
    if (typeof answer === 'object' && answer !== null && 'error' in answer) throw new Error(answer.error);
    return answer as T;
  }

  get #named(): Record<string, string> {
    return { 'x-lab-tab': this.#tab };
  }

  /** undefined if nobody answers. */
  async #fetch(what: string, request: RequestInit): Promise<Response | undefined> {
    try {
      return await fetch(`${this.#base}api/${what}`, request);
    } catch (error) {
      if (isBroken(error)) return undefined;
      throw error;
    }
  }
}

/** As browsers tell of a connection that cannot be made, or breaks off. */
function isBroken(error: unknown): boolean {
  return error instanceof TypeError;
}

async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Told, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (text + decoder.decode(value, { stream: true })).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) yield JSON.parse(line) as Told;
  }
}
