// The names of a server's images: containerd.services.images.v1 as the rows of a namespace. All are asked for at once, when
// this is opened, and are looked at as they were then; a change says what changes and nothing else, so that it takes
// nothing back that somebody else has changed meanwhile.

import { isKind, StoreError } from '../../errors.js';
import type { ImageRows } from '../../images/images.js';
import type { ImageRow } from '../../metadata/rows.js';
import { descriptorMessage, descriptorOf, timeOf } from '../convert.js';
import { type Image, ImagesService } from '../gen/containerd/services/images/v1/images.js';
import type { Connection } from './connection.js';

export class ProxyImages implements ImageRows {
  readonly #connection: Connection;
  readonly #rows: Map<string, ImageRow>;

  private constructor(connection: Connection, rows: Map<string, ImageRow>) {
    this.#connection = connection;
    this.#rows = rows;
  }

  static async open(connection: Connection): Promise<ProxyImages> {
    const what = 'cannot list images';
    const { images } = await connection.unary(ImagesService.list, { filters: [] }, { what });
    return new ProxyImages(connection, new Map(images.map((image) => [image.name, rowOf(image)])));
  }

  get(name: string): ImageRow | undefined {
    return this.#rows.get(name);
  }

  list(): readonly ImageRow[] {
    return [...this.#rows.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async put(row: ImageRow): Promise<void> {
    const what = `cannot change image ${row.name}`;
    const image = messageOf(row);
    const old = this.#rows.get(row.name);
    if (old === undefined) {
      const request = { image, sourceDateEpoch: undefined };
      await this.#connection.unary(ImagesService.create, request, { what });
    } else {
      const updateMask = changesBetween(old, row);
      if (updateMask.length === 0) return;
      const request = { image, updateMask, sourceDateEpoch: undefined };
      await this.#connection.unary(ImagesService.update, request, { what });
    }
    this.#rows.set(row.name, row);
  }

  /** Returns when what only this name kept is gone. */
  async remove(name: string): Promise<boolean> {
    const what = `cannot remove image ${name}`;
    try {
      await this.#connection.unary(ImagesService.delete, { name, sync: true, target: undefined }, { what });
    } catch (error) {
      if (isKind(error, 'not-found')) return false;
      throw error;
    } finally {
      this.#rows.delete(name);
    }
    return true;
  }
}

/** The field paths in which two rows differ. */
function changesBetween(old: ImageRow, row: ImageRow): string[] {
  const keys = new Set([...Object.keys(old.labels), ...Object.keys(row.labels)]);
  const labels = [...keys].filter((key) => old.labels[key] !== row.labels[key]).map((key) => `labels.${key}`);
  const isSame = old.target.digest === row.target.digest && old.target.mediaType === row.target.mediaType;
  return isSame ? labels : [...labels, 'target'];
}

function messageOf({ name, labels, target }: ImageRow): Image {
  return {
    name,
    labels: { ...labels },
    target: descriptorMessage(target),
    createdAt: undefined,
    updatedAt: undefined,
  };
}

function rowOf({ name, labels, target, createdAt, updatedAt }: Image): ImageRow {
  if (target === undefined) {
    throw new StoreError('failed', `cannot read image ${name}`, 'the server did not say what it stands for');
  }
  const [created, updated] = [timeOf(createdAt), timeOf(updatedAt)];
  return { name, labels, target: descriptorOf(target), created, updated };
}
