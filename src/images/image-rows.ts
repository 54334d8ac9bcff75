// The image names of one namespace, as the metadata keeps them.

import type { Metadata } from '../metadata/db.js';
import { deleteImage, getImage, listImages, putImage } from '../metadata/images.js';
import type { ImageRows } from './images.js';

export function imageRows(metadata: Metadata, namespace: string): ImageRows {
  return {
    get: (name) => metadata.read((tx) => getImage(tx, namespace, name)),
    list: () => metadata.read((tx) => listImages(tx, namespace)),
    put: (row) => metadata.write((tx) => putImage(tx, namespace, row)),
    remove: (name) => metadata.write((tx) => deleteImage(tx, namespace, name)),
  };
}
