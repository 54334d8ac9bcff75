// What every command is handed: settings, output, progress, the signal that ends it, and the store, which is
// opened when a command first asks for it and closed by whoever made the context.

import { StoreError } from '../errors.js';
import type { OnProgress } from '../images/images.js';
import type { Store } from '../store.js';
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
  #store: Promise<Store> | undefined;
  #hasSignals = false;

  constructor(settings: Settings, signal: AbortSignal) {
    this.settings = settings;
    this.signal = signal;
    this.output = new Output(settings);
    this.progress = new Progress(this.output);
  }

  /** While a command takes them itself, signals do not end the program. */
  takeSignals(taken: boolean): void {
    this.#hasSignals = taken;
  }

  get hasSignals(): boolean {
    return this.#hasSignals;
  }

  /**
   * The store of --root, made if it does not exist. Where its database is lost that is an error, unless the rows are to
   * be brought back (`mayBeginAnew`).
   */
  store(how: { readonly mayBeginAnew?: boolean } = {}): Promise<Store> {
    this.#store ??= this.#open(how);
    return this.#store;
  }

  /** Shows the steps of work on images: bars on a terminal, nothing elsewhere. */
  readonly onProgress: OnProgress = ({ phase, id, done, total }) => {
    const label = `${phase.padEnd(6)} ${id.replace(/^sha256:/, '').slice(0, 12)}`;
    if (total !== undefined && done >= total) this.progress.done(`${phase} ${id}`);
    else this.progress.update(`${phase} ${id}`, label, done, total);
  };

  /** Ends the display and closes the store. */
  async close(): Promise<void> {
    this.progress.clear();
    const store = await this.#store?.catch(() => undefined);
    await store?.close();
  }

  async #open(how: { readonly mayBeginAnew?: boolean }): Promise<Store> {
    const { root, state, namespace, driver, address } = this.settings;
    if (address !== undefined) {
      throw new StoreError(
        'unsupported',
        `cannot talk to ${address}`,
        'this version opens the store itself',
        {
          hint: 'leave out --address and MICA_ADDRESS',
        },
      );
    }
    const { Store } = await import('../store.js');
    const store = await Store.open(root, { state, namespace, driver, ...how });
    const { MountTable } = await import('../mounts/table.js');
    for (const line of new MountTable(state).sweep()) this.output.warn(line);
    return store;
  }
}
