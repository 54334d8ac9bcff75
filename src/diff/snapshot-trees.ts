// The way to two trees by marks: those of a snapshot and of what it is built on, opened in this process, with the layer
// between them.

import { fromText, openLowerDir, openStack, type StackDescription, Union } from '../../fs/index.js';
import type { SnapshotForm } from '../snapshots/snapshot.js';
import type { Trees } from './differ.js';

export interface OpenTrees extends Trees {
  close(): void;
}

/**
 * Opens the layers of a snapshot and those `below` it (undefined: there are none). A form that holds whole trees has no
 * layer that says what changed. Fails as `openStack`; nothing is left open then.
 */
export function openSnapshotTrees(
  stack: StackDescription,
  below: StackDescription | undefined,
  form: SnapshotForm,
): OpenTrees {
  const opened: { close(): void }[] = [];
  const close = () => {
    for (const one of opened.splice(0).reverse()) one.close();
  };
  const union = (description: StackDescription) => {
    const layers = openStack(description);
    const tree = new Union(layers);
    opened.push({ close: () => tree.destroy() });
    return { tree, upper: layers.upper };
  };
  try {
    const from = below === undefined ? undefined : union(below).tree;
    const { tree: to, upper } = union(stack);
    const top = stack.lowers[0];
    if (form === 'full' || (upper === undefined && top === undefined)) return { from, to, close };
    if (upper !== undefined) return { from, to, layer: upper, close };
    // By itself: in the stack it may be a part of a flattened chain.
    const { path, id, dialect, marks, numbering } = top!;
    const layer = openLowerDir(fromText(path), {
      id,
      dialect,
      ...(marks === undefined ? {} : { marks: [marks] }),
      ...(numbering === undefined ? {} : { numbering }),
    });
    opened.push(layer);
    return { from, to, layer, close };
  } catch (error) {
    close();
    throw error;
  }
}
