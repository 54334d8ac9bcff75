// Handles for a mount whose files are opened by the kernel without asking (OPEN answered ENOSYS): the first
// read of a node opens it here, and the handles used longest ago are closed when there are too many.

import type { Filesystem, Handle, NodeId } from '../filesystem.js';

const MAX_FILES = 256;
const MAX_FOLDERS = 64;

export class ImplicitHandles {
  readonly #filesystem: Filesystem;
  /** In the order of use, oldest first. */
  readonly #files = new Map<NodeId, Handle>();
  readonly #folders = new Map<NodeId, Handle>();

  constructor(filesystem: Filesystem) {
    this.#filesystem = filesystem;
  }

  file(node: NodeId): Handle {
    const known = touch(this.#files, node);
    if (known !== undefined) return known;
    const handle = this.#filesystem.open(node, 0);
    this.#files.set(node, handle);
    const oldest = surplus(this.#files, MAX_FILES);
    if (oldest !== undefined) this.#filesystem.release(oldest);
    return handle;
  }

  folder(node: NodeId): Handle {
    const known = touch(this.#folders, node);
    if (known !== undefined) return known;
    const handle = this.#filesystem.opendir(node);
    this.#folders.set(node, handle);
    const oldest = surplus(this.#folders, MAX_FOLDERS);
    if (oldest !== undefined) this.#filesystem.releasedir(oldest);
    return handle;
  }

  /** Closes what is open of a node that the kernel forgets. */
  drop(node: NodeId): void {
    const file = this.#files.get(node);
    if (file !== undefined) {
      this.#files.delete(node);
      this.#filesystem.release(file);
    }
    const folder = this.#folders.get(node);
    if (folder !== undefined) {
      this.#folders.delete(node);
      this.#filesystem.releasedir(folder);
    }
  }
}

/** The value of `node`, which becomes the one used last. */
function touch(handles: Map<NodeId, Handle>, node: NodeId): Handle | undefined {
  const handle = handles.get(node);
  if (handle === undefined) return undefined;
  handles.delete(node);
  handles.set(node, handle);
  return handle;
}

/** Takes out the handle used longest ago if there are more than `limit`. */
function surplus(handles: Map<NodeId, Handle>, limit: number): Handle | undefined {
  if (handles.size <= limit) return undefined;
  for (const [node, handle] of handles) {
    handles.delete(node);
    return handle;
  }
  return undefined;
}
