// The demo's scratch folder: two stores, the mounts that it made, and the clean-up that leaves none of them behind,
// however the demo ends.

import { existsSync, mkdirSync, mkdtempSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isKind, StoreError } from '../../errors.js';
import { mountSnapshot, unmountSnapshot } from '../../mounts/mount-snapshot.js';
import type { MountRow } from '../../mounts/table.js';
import { removeTree } from '../../snapshots/folders.js';
import type { Driver } from '../../snapshots/snapshot.js';
import { Store } from '../../store.js';
import type { Settings } from '../settings.js';

/** What could show a union here, the one to be tried first at the front. */
const UNIONS: readonly Driver[] = ['fuse', 'overlay'];

export class Stage {
  readonly folder: string;
  readonly #settings: Settings;
  readonly #stores: Store[] = [];
  readonly #targets: string[] = [];

  constructor(settings: Settings) {
    this.#settings = settings;
    this.folder = realpathSync(mkdtempSync(join(tmpdir(), 'mica-demo-')));
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  get state(): string {
    return this.path('state');
  }

  /** A new store in the scratch folder. `native` only where it was asked for: it is no union. */
  async openStore(name: string): Promise<Store> {
    const { driver } = this.#settings;
    const store = await Store.open(this.path(name), {
      state: this.state,
      driver: driver === 'auto' ? 'fuse' : driver,
      durable: false,
    });
    this.#stores.push(store);
    return store;
  }

  /**
   * Mounts a key through the first union that works here. Returns undefined if none does, and the reasons are in
   * `reasons` then.
   */
  async mount(store: Store, key: string, name: string, reasons: string[]): Promise<MountRow | undefined> {
    const target = this.path(name);
    mkdirSync(target);
    const asked = this.#settings.driver;
    const drivers = asked === 'auto' ? UNIONS : UNIONS.filter((driver) => driver === asked);
    if (drivers.length === 0) reasons.push(`--driver ${asked} is no union`);
    for (const driver of drivers) {
      try {
        const row = await mountSnapshot(store, key, target, { driver, transport: this.#settings.transport });
        this.#targets.push(target);
        return row;
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        reasons.push(`${driver}: ${error.why}`);
      }
    }
    return undefined;
  }

  async unmount(target: string): Promise<void> {
    await unmountSnapshot(target, this.state);
    this.#targets.splice(this.#targets.indexOf(target), 1);
  }

  /** Ends every mount, busy or not, and removes the folder unless `keep`. */
  async strike(keep: boolean): Promise<void> {
    for (const target of this.#targets.splice(0).reverse()) {
      try {
        await unmountSnapshot(target, this.state);
      } catch (error) {
        if (isKind(error, 'not-found')) continue;
        await unmountSnapshot(target, this.state, true);
      }
    }
    for (const store of this.#stores) await store.close();
    if (!keep && existsSync(this.folder)) removeTree(this.folder);
  }
}
