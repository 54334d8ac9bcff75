// What the layers of a mount, or of a snapshot's chain, are called, for who explains or draws them.

import { join } from 'node:path';
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
import { whileThere } from '../mounts/follow.js';
import { type ListedMount, MountTable } from '../mounts/table.js';
import type { StoredSnapshot } from '../snapshots/snapshot.js';
import type { ImageState } from '../web/model.js';
import { calledNames, type LayerNames } from '../web/naming.js';
import type { Context } from './context.js';

/** Names of the layers of a stack, as the server of a mount has just told it. */
export type NamesOf = (stack: StackDescription) => Promise<LayerNames>;

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

/** What the mount table or the store says of the layers of a mount; nothing of plain folders and other stores. */
export async function namesOfMount(
  context: Context,
  mount: ListedMount,
  stack: StackDescription,
): Promise<LayerNames> {
  const { state } = context.settings;
  const { snapshot, target } = mount;
  if (snapshot === undefined) return new Map(Object.entries(new MountTable(state).at(target)?.layers ?? {}));
  return isOfStore(context, mount) ? namesOfServed(context, snapshot.key, stack) : new Map();
}

/**
 * A mount is committed and rolled back by its server first. The chain says so when the layer is indexed, which may take
 * seconds; until then the note of what is to be says it, so that is read before the chain.
 */
async function namesOfServed(
  context: Context,
  key: string,
  { upper }: StackDescription,
): Promise<LayerNames> {
  const noted = (await context.store()).snapshots.exchangeOf(key);
  const names = new Map(await namesOfChain(context, key));
  if (upper === undefined) return names;
  if (noted?.commit !== undefined && noted.id === upper.id) names.set(noted.from, noted.commit.name);
  // Also where the chain is already further than the stack.
  return names.set(upper.id, key);
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
  readonly #names: NamesOf;
  #called = new Map<string, string>();

  /** `names` as `calledNames` takes them, asked when there may be others. */
  constructor(server: ControlClient, names: NamesOf) {
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

  /** Afterwards the layers that the mount has now are known. */
  async learnAll(): Promise<void> {
    this.#called = new Map([...this.#called, ...(await calledIn(this.#server, this.#names))]);
  }

  /** Afterwards what the layer of this event is called is known. */
  async learn({ layer }: SeenEvent): Promise<void> {
    await whileThere(this.learnAll());
    // What is no layer of the mount any more is called by its id, and not asked for again.
    if (layer !== undefined && !this.#called.has(layer)) this.#called.set(layer, layer);
  }
}

/** The same of a stack as it is now; `names` as `calledNames` takes them. */
export async function calledIn(server: ControlClient, names: NamesOf): Promise<LayerNames> {
  const { stack } = await server.ask({ op: 'status' });
  return calledNames(idsOf(stack), await names(stack));
}
