// What every command is handed: settings, output, progress, the signal that ends it, and the store, which is
// opened when a command first asks for it and closed by whoever made the context.

import { Output } from './output.js';
import { Progress } from './progress.js';
import type { Settings } from './settings.js';

export class Context {
  readonly settings: Settings;
  /** Aborted by SIGINT, SIGTERM and SIGHUP: what is under way is to be undone. */
  readonly signal: AbortSignal;
  readonly output: Output;
  readonly progress: Progress;
  /** What `process.exitCode` becomes when the command ends without an error. */
  exitCode = 0;

  constructor(settings: Settings, signal: AbortSignal) {
    this.settings = settings;
    this.signal = signal;
    this.output = new Output(settings);
    this.progress = new Progress(this.output);
  }

  /** Ends the display. */
  async close(): Promise<void> {
    this.progress.clear();
  }
}
