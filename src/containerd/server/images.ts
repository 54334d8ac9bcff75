// images.v1: names for descriptors.

import { StoreError } from '../../errors.js';
import { filtered } from '../../filter.js';
import { imageField } from '../../filter-fields.js';
import type { NewImage } from '../../metadata/images.js';
import type { Descriptor, ImageRow } from '../../metadata/rows.js';
import { descriptorMessage, timestampOf } from '../convert.js';
import { type Image, ImagesService } from '../gen/containerd/services/images/v1/images.js';
import type { Descriptor as DescriptorMessage } from '../gen/containerd/types/descriptor.js';
import { type Caller, requiredNamespace, type Service, service } from './service.js';
import type { Site } from './site.js';

export function imagesService(site: Site): Service {
  const imagesOf = (caller: Caller) => site.namespace(requiredNamespace(caller)).images;
  return service(ImagesService, {
    get: async ({ name }, caller) => {
      const row = name === '' ? undefined : imagesOf(caller).get(name);
      if (row === undefined) throw absent(`cannot find image ${name}`);
      return { image: imageMessage(row) };
    },

    list: async ({ filters }, caller) => ({
      images: filtered(imagesOf(caller).list(), filters, imageField).map(imageMessage),
    }),

    create: async ({ image }, caller) => ({
      image: imageMessage(await imagesOf(caller).create(newImage(image, 'cannot create an image'))),
    }),

    update: async ({ image, updateMask }, caller) => {
      const changed = newImage(image, 'cannot update an image');
      return { image: imageMessage(await imagesOf(caller).update(changed, updateMask ?? [])) };
    },

    delete: async ({ name, sync, target }, caller) => {
      if (name === '' || !(await imagesOf(caller).remove(name, target?.digest)))
        throw absent(`cannot remove image ${name}`);
      if (sync) await site.collect();
      return {};
    },
  });
}

function absent(what: string): StoreError {
  return new StoreError('not-found', what, 'there is no image of this name');
}

function imageMessage({ name, target, created, updated, labels }: ImageRow): Image {
  return {
    name,
    labels: { ...labels },
    target: descriptorMessage(target),
    createdAt: timestampOf(created),
    updatedAt: timestampOf(updated),
  };
}

/** The times of a message are not asked for. */
function newImage(image: Image | undefined, what: string): NewImage {
  if (image === undefined || image.name === '') {
    throw new StoreError('invalid-argument', what, 'it has no name');
  }
  return { name: image.name, labels: image.labels, target: targetOf(image.target) };
}

/** What is wrong with it the store says. */
function targetOf(target: DescriptorMessage | undefined): Descriptor {
  const { mediaType = '', digest = '', size = 0, annotations = {} } = target ?? {};
  const notes = Object.keys(annotations).length === 0 ? {} : { annotations };
  return { mediaType, digest, size, ...notes };
}
