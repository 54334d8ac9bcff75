// What every command is handed: settings, output, progress, the signal that ends it, and the store, which is
// opened when a command first asks for it and closed by whoever made the context.

import type { StoreClient } from '../containerd/client/client.js';
import { StoreError } from '../errors.js';
import type { OnProgress } from '../images/images.js';
import type { Store } from '../store.js';
import { Output } from './output.js';
import type { Parts } from './parts.js';
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
  #opened: Store | undefined;
  #parts: Promise<Parts> | undefined;
  #client: StoreClient | undefined;
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
   * be brought back (`mayBeginAnew`). To a server --address says where to listen (`serving`), to others whom to ask.
   */
  store(how: { readonly mayBeginAnew?: boolean; readonly serving?: boolean } = {}): Promise<Store> {
    this.#store ??= this.#open(how);
    return this.#store;
  }

  /** The parts of the server of --address, or of the store of --root. */
  parts(): Promise<Parts> {
    this.#parts ??= this.#openParts();
    return this.#parts;
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
    await this.#store?.catch(() => undefined);
    await this.#opened?.close();
    this.#client?.close();
  }

  async #openParts(): Promise<Parts> {
    const { partsOfServer, partsOfStore } = await import('./parts.js');
    const { address, namespace, partition, snapshotter } = this.settings;
    if (address === undefined) return partsOfStore(await this.store());
    if (partition !== undefined) {
      const why = 'a server shows the partition of its socket';
      throw new StoreError('invalid-argument', `cannot use --partition ${partition} with --address`, why);
    }
    const { StoreClient } = await import('../containerd/client/client.js');
    const named = snapshotter === undefined ? {} : { snapshotter };
    this.#client = new StoreClient(address, { namespace, signal: this.signal, ...named });
    return partsOfServer(this.#client);
  }

  async #open({ serving = false, ...how }: { mayBeginAnew?: boolean; serving?: boolean }): Promise<Store> {
    const { root, state, namespace, driver, address, partition } = this.settings;
    if (address !== undefined && !serving) {
      const why = 'this command works on the store itself';
      throw new StoreError('unsupported', `cannot ask the server at ${address}`, why, {
        hint: 'leave out --address and MICA_ADDRESS',
      });
    }
    const { Store } = await import('../store.js');
    const store = await Store.open(root, { state, namespace, driver, goesOn: serving, ...how });
    const { MountTable } = await import('../mounts/table.js');
    for (const line of new MountTable(state).sweep()) this.output.warn(line);
    this.#opened = store;
    return partition === undefined || serving ? store : store.inPartition(partition);
  }
}
