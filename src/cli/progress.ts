// Progress on stderr, for a person: bars that redraw themselves, one a task. Where stderr is no terminal, or with
// --quiet or --json, nothing is drawn; a finished task is one line then, unless --quiet or --json.

import type { Output } from './output.js';
import { sizeText } from './output.js';

interface Task {
  readonly label: string;
  done: number;
  total: number | undefined;
}

const BAR_WIDTH = 24;
const REDRAW_MS = 80;

export class Progress {
  readonly #output: Output;
  readonly #drawing: boolean;
  readonly #tasks = new Map<string, Task>();
  #lines = 0;
  #lastDrawMs = 0;

  constructor(output: Output) {
    this.#output = output;
    this.#drawing = process.stderr.isTTY === true && !output.quiet && !output.json;
    if (this.#drawing) output.beforeNote = () => this.#erase();
  }

  /** Task `id` stands at `done` of `total` bytes (undefined: not known). */
  update(id: string, label: string, done: number, total?: number): void {
    if (!this.#drawing) return;
    const task = this.#tasks.get(id);
    if (task === undefined) this.#tasks.set(id, { label, done, total });
    else {
      task.done = done;
      task.total = total;
    }
    const now = performance.now();
    if (now - this.#lastDrawMs < REDRAW_MS) return;
    this.#lastDrawMs = now;
    this.#erase();
    this.#draw();
  }

  /** Task `id` is over, and there is nothing to say about it. */
  done(id: string): void {
    if (!this.#tasks.delete(id)) return;
    this.#erase();
    this.#draw();
  }

  /** Task `id` is over; `line` says what came of it. */
  finish(id: string, line: string): void {
    this.#tasks.delete(id);
    if (this.#output.json) return;
    this.#output.note(line);
    if (this.#drawing) this.#draw();
  }

  /** Takes the bars away. */
  clear(): void {
    this.#tasks.clear();
    this.#erase();
  }

  #erase(): void {
    if (this.#lines === 0) return;
    process.stderr.write(`\x1b[${this.#lines}A\x1b[J`);
    this.#lines = 0;
  }

  #draw(): void {
    const width = process.stderr.columns ?? 80;
    for (const task of this.#tasks.values()) {
      process.stderr.write(`${taskText(task).slice(0, width - 1)}\n`);
      this.#lines++;
    }
  }
}

function taskText(task: Task): string {
  if (task.total === undefined || task.total === 0) return `${task.label}  ${sizeText(task.done)}`;
  const share = Math.min(1, task.done / task.total);
  const full = Math.round(share * BAR_WIDTH);
  const bar = '#'.repeat(full).padEnd(BAR_WIDTH, '.');
  return `${task.label}  [${bar}] ${Math.floor(share * 100)}%  ${sizeText(task.done)} of ${sizeText(task.total)}`;
}
