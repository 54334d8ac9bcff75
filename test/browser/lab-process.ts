// `mica lab` as a child process, until it is ended.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Scratch, top } from '../program.js';

export class LabProcess {
  readonly url: string;
  /** `memory`, `mount` or `attached`. */
  readonly engine: string;
  /** What it wrote to its standard error until it had an address, at least. */
  readonly said: () => string;
  readonly #child: ChildProcess;

  private constructor(told: { url: string; engine: string }, said: () => string, child: ChildProcess) {
    this.url = told.url;
    this.engine = told.engine;
    this.said = said;
    this.#child = child;
  }

  static start(scratch: Scratch, ...words: string[]): Promise<LabProcess> {
    return LabProcess.startBy([], scratch, ...words);
  }

  /** `by`: a command that becomes the one that follows it, as somebody else or somewhere else. */
  static async startBy(by: readonly string[], scratch: Scratch, ...words: string[]): Promise<LabProcess> {
    const stores = ['--root', scratch.path('root'), '--state', scratch.path('state')];
    const mica = [process.execPath, join(top, 'bin/mica'), ...stores, '--json', 'lab', ...words];
    const [command = '', ...rest] = [...by, ...mica];
    const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    for await (const line of createInterface({ input: child.stdout })) {
      return new LabProcess(JSON.parse(line) as { url: string; engine: string }, () => said, child);
    }
    throw new Error(`mica lab ended at once: ${said}`);
  }

  /** Asks as a page does. */
  async ask<T>(what: string, question: object): Promise<T> {
    const { origin } = new URL(this.url);
    const headers = { origin, 'content-type': 'application/json' };
    const response = await fetch(`${this.url}api/${what}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(question),
    });
    return (await response.json()) as T;
  }

  /** As the kernel ends it, or somebody who is out of patience. */
  async kill(): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }

  /** As Ctrl-C ends it. Returns the exit code. */
  async end(): Promise<number | null> {
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGINT');
    return (await exit)[0] as number | null;
  }
}
