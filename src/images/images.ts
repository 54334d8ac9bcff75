// What the functions on images work with, given as their first argument: the blobs, the names of images, where
// images are unpacked, and the leases of work that is under way. The store has all three and is handed in as it is.

import type { Content, StoreContent } from '../content/content.js';
import type { ImageRow } from '../metadata/rows.js';
import type { StoreSnapshotter } from '../snapshots/snapshot.js';
import type { WorkLeases } from './at-work.js';

/** The names of the images of one namespace; the metadata implements it. */
export interface ImageRows {
  get(name: string): ImageRow | undefined;
  /** All rows, ordered by name. */
  list(): readonly ImageRow[];
  /** Makes or replaces a row. Resolves when it is durable. */
  put(row: ImageRow): Promise<void>;
  /** False if there was no such name. */
  remove(name: string): Promise<boolean>;
}

export interface ImageStore {
  readonly content: Content;
  readonly images: ImageRows;
}

export interface UnpackStore extends ImageStore {
  readonly content: StoreContent;
  readonly snapshots: StoreSnapshotter;
  readonly leases: WorkLeases;
}

/** One step of long work, for whoever shows it. */
export interface ImageProgress {
  /** What is being done with `id`. */
  readonly phase: 'blob' | 'unpack' | 'skip' | 'pack' | 'write' | 'push' | 'image';
  /** A digest (blob, layer) or the name of an image. */
  readonly id: string;
  /** Bytes done so far, and altogether where that is known. */
  readonly done: number;
  readonly total?: number;
}

export type OnProgress = (progress: ImageProgress) => void;
