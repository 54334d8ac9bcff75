// What the layers of a mount, or of a snapshot's chain, are called, for who explains or draws them.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ByteString,
  type Explanation,
  type SeenEvent,
  type StackDescription,
  toBytes,
} from '../../fs/index.js';
import { StoreError } from '../errors.js';
import type { ImageStore } from '../images/images.js';
import { openImage } from '../images/stored.js';
import type { ImageRow } from '../metadata/rows.js';
import type { ControlClient } from '../mounts/control.js';
import { type ListedMount, MountTable } from '../mounts/table.js';
import type { StoredSnapshot } from '../snapshots/snapshot.js';
import type { ImageState } from '../web/model.js';
import { calledNames, type LayerNames } from '../web/naming.js';
import type { Context } from './context.js';

/** How long the names of a commit that its server has told of are waited for: what takes longer is a large folder. */
const WAIT_MS = 2000;
const POLL_MS = 20;

/** Names of the snapshots of a chain by their ids, from its top down. */
export async function namesOfChain(context: Context, snapshot: string): Promise<LayerNames> {
  const { snapshots } = await context.store();
  const names = new Map<string, string>();
  for (let name: string | undefined = snapshot; name !== undefined; ) {
    const info: StoredSnapshot = await snapshots.stat(name);
    names.set(info.id, info.name);
    name = info.parent;
  }
  return names;
}

/** What the mount table or the store says of the layers of a mount as it is now; nothing of plain folders and other stores. */
export async function namesOfMount(
  context: Context,
  mount: ListedMount,
  server: ControlClient,
): Promise<LayerNames> {
  const { state } = context.settings;
  const { snapshot, target } = mount;
  if (snapshot === undefined) return new Map(Object.entries(new MountTable(state).at(target)?.layers ?? {}));
  return isOfStore(context, mount) ? namesOfServed(context, snapshot.key, server) : new Map();
}

/** A mount is committed and rolled back by its server first; the store says so some milliseconds later. */
async function namesOfServed(context: Context, key: string, server: ControlClient): Promise<LayerNames> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const { stack } = await server.ask({ op: 'status' });
    const names = await namesOfChain(context, key);
    if (stack.upper === undefined || names.has(stack.upper.id) || performance.now() > deadline) return names;
    await sleep(POLL_MS);
  }
}

/** Images that end at a layer of the mount, with the ids of their layers from the top; of other stores none are known. */
export async function imagesOfMount(context: Context, mount: ListedMount): Promise<readonly ImageState[]> {
  if (!isOfStore(context, mount)) return [];
  const store = await context.store();
  const chain = [...(await namesOfChain(context, mount.snapshot?.key ?? ''))];
  const ending: ImageState[] = [];
  for (const row of store.images.list()) {
    const top = await topOf(store, row);
    const at = chain.findIndex(([, name]) => name === top);
    if (at >= 0) ending.push({ name: row.name, layers: chain.slice(at).map(([id]) => id) });
  }
  return ending;
}

/** The chain ID of an image; undefined for one that is not all there, which nobody can have mounted. */
async function topOf(store: ImageStore, row: ImageRow): Promise<string | undefined> {
  try {
    const { layers } = await openImage(store, row, `cannot read image ${row.name}`);
    return layers.at(-1)?.chainId;
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}

/** The store is opened for names alone, so only where it is sure to have them. */
function isOfStore({ settings }: Context, { snapshot }: ListedMount): boolean {
  const { root, namespace } = settings;
  return snapshot?.store === join(root, 'snapshots') && snapshot.namespace === namespace;
}

/** Ids of all layers, from the top. */
export function idsOf({ upper, lowers, data = [] }: StackDescription): readonly string[] {
  return [...(upper === undefined ? [] : [upper]), ...lowers, ...data].map(({ id }) => id);
}

/** Asks the server of a mount, which calls the layers so. */
export async function explainServed(
  server: ControlClient,
  path: ByteString,
  called: LayerNames,
): Promise<Explanation> {
  const pathBase64 = Buffer.from(toBytes(path)).toString('base64');
  return server.ask({ op: 'explain', pathBase64, names: Object.fromEntries(called) });
}

/** What people call the layers of a mount that is followed: a commit gives it others, and other names to those there are. */
export class FollowedNames {
  readonly #server: ControlClient;
  readonly #names: () => Promise<LayerNames>;
  #called = new Map<string, string>();

  /** `names` as `calledNames` takes them, asked when there may be others. */
  constructor(server: ControlClient, names: () => Promise<LayerNames>) {
    this.#server = server;
    this.#names = names;
  }

  /** By ids, as far as they are known. */
  get called(): LayerNames {
    return this.#called;
  }

  /** Whether what the layer of this event is called is to be asked for. */
  lacks({ kind, layer }: SeenEvent): boolean {
    return layer !== undefined && (kind === 'commit' || !this.#called.has(layer));
  }

  /** Afterwards what the layer of this event is called is known. */
  async learn({ layer }: SeenEvent): Promise<void> {
    this.#called = new Map([...this.#called, ...(await calledIn(this.#server, await this.#names()))]);
    // What is no layer of the mount any more is called by its id, and not asked for again.
    if (layer !== undefined && !this.#called.has(layer)) this.#called.set(layer, layer);
  }
}

/** The same of a stack as it is now; `names` as `calledNames` takes them. */
export async function calledIn(server: ControlClient, names: LayerNames): Promise<LayerNames> {
  const { stack } = await server.ask({ op: 'status' });
  return calledNames(idsOf(stack), names);
}
