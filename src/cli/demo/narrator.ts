// Tells the story of the demo: each step with what happened and how long it took. With --teach it stops before a
// step, says what is about to happen, asks for a guess, and shows the upper folder on disk before and after.

import { createInterface, type Interface } from 'node:readline';
import { colors, errorColors } from '../colors.js';
import type { Output } from '../output.js';
import { durationText } from '../output.js';

export interface Step<T> {
  readonly title: string;
  /** Two sentences: what is about to happen, and by which rule. */
  readonly about: string;
  /** A question whose answer the step shows. */
  readonly question: string;
  /** What happened, one line each, and what later steps need. */
  readonly run: () => Promise<{ readonly lines: readonly string[]; readonly value: T }>;
}

export interface NarratorOptions {
  readonly output: Output;
  readonly teach: boolean;
  readonly signal: AbortSignal;
  /** The upper folder on disk as lines; undefined while there is none. */
  readonly upper: () => readonly string[] | undefined;
}

/** One step as JSON, with --json. */
interface StepReport {
  readonly step: number;
  readonly title: string;
  readonly lines: readonly string[];
  readonly durationMs: number;
}

export class Narrator {
  readonly #options: NarratorOptions;
  #count = 0;
  #questions: Interface | undefined;
  #answers: AsyncIterator<string> | undefined;

  constructor(options: NarratorOptions) {
    this.#options = options;
  }

  /** Runs a step and tells it. */
  async step<T>(step: Step<T>): Promise<T> {
    const { output, signal, teach, upper } = this.#options;
    signal.throwIfAborted();
    const number = ++this.#count;
    if (teach) await this.#ask(number, step);
    const before = teach ? upper() : undefined;
    const startMs = performance.now();
    const { lines, value } = await step.run();
    const durationMs = performance.now() - startMs;
    if (output.json) {
      const report: StepReport = {
        step: number,
        title: step.title,
        lines,
        durationMs: Math.round(durationMs),
      };
      output.line(JSON.stringify(report));
    } else if (!output.quiet) {
      output.line(
        `${colors.bold(`${String(number).padStart(2)}. ${step.title}`)}  ${colors.dim(durationText(durationMs))}`,
      );
      for (const line of lines) output.line(`    ${line}`);
    }
    if (teach) this.#showUpper(before, upper());
    return value;
  }

  close(): void {
    this.#questions?.close();
  }

  async #ask(number: number, step: Step<unknown>): Promise<void> {
    const { signal } = this.#options;
    process.stderr.write(`\n${errorColors.bold(`${number}. ${step.title}`)}\n   ${step.about}\n`);
    process.stderr.write(`   ${step.question} Your guess: `);
    const answer = await this.#line(signal);
    process.stderr.write(answer === '' ? '   Let us see.\n' : `   You said: ${answer}. Let us see.\n`);
  }

  /** The next line of stdin. Lines that came early wait their turn; a pipe that has ended answers nothing. */
  async #line(signal: AbortSignal): Promise<string> {
    // Not as a terminal, which would keep Ctrl-C to itself.
    this.#questions ??= createInterface({ input: process.stdin, terminal: false });
    this.#answers ??= this.#questions[Symbol.asyncIterator]();
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    const next = await Promise.race([this.#answers.next(), aborted]);
    return next.done === true ? '' : next.value;
  }

  #showUpper(before: readonly string[] | undefined, after: readonly string[] | undefined): void {
    if (after === undefined) return;
    process.stderr.write(`   the upper folder before: ${before?.length ?? 0} entries\n`);
    for (const line of before ?? []) process.stderr.write(`     ${line}\n`);
    process.stderr.write(`   and after: ${after.length} entries\n`);
    for (const line of after) {
      const isNew = before?.includes(line) !== true;
      process.stderr.write(`   ${isNew ? errorColors.green(`+ ${line}`) : `  ${line}`}\n`);
    }
  }
}
