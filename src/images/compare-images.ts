// In what two images differ beside their trees: platform, layers, and what the config says of running them.

import type { ImageConfig } from './oci.js';
import { formatPlatform } from './platform.js';
import type { SelectedImage } from './select.js';

/** What one must change in an image to get the other. */
export interface ImageChange {
  readonly op: 'A' | 'M' | 'D';
  readonly part: 'platform' | 'layer' | 'config';
  /** Of a layer its diff ID, of the config the field, with the variable or label after a dot. */
  readonly name: string;
  readonly from?: string;
  readonly to?: string;
}

type Fields = ReadonlyMap<string, string>;

/** From `from` to `to`: the platform, then layers, base first, then the config in the order of its fields. */
export function imageChanges(from: SelectedImage, to: SelectedImage): readonly ImageChange[] {
  return [
    ...fieldChanges(
      'platform',
      new Map([['platform', formatPlatform(from.platform)]]),
      new Map([['platform', formatPlatform(to.platform)]]),
    ),
    ...layerChanges(from, to),
    ...fieldChanges('config', configFields(from.config.json), configFields(to.config.json)),
  ];
}

/** Above the layers that both have from the base up, all are of one alone: a chain is what its bases are. */
function layerChanges(from: SelectedImage, to: SelectedImage): readonly ImageChange[] {
  const common = from.layers.findIndex(({ diffId }, at) => to.layers[at]?.diffId !== diffId);
  const start = common < 0 ? from.layers.length : common;
  const alone = (op: 'A' | 'D', image: SelectedImage) =>
    image.layers.slice(start).map(({ diffId }) => ({ op, part: 'layer', name: diffId }) as const);
  return [...alone('D', from), ...alone('A', to)];
}

function fieldChanges(part: 'platform' | 'config', from: Fields, to: Fields): readonly ImageChange[] {
  const names = [...new Set([...from.keys(), ...to.keys()])].sort();
  return names.flatMap((name) => {
    const [was, is] = [from.get(name), to.get(name)];
    if (was === is) return [];
    const op = was === undefined ? 'A' : is === undefined ? 'D' : 'M';
    return [
      {
        op,
        part,
        name,
        ...(was === undefined ? {} : { from: was }),
        ...(is === undefined ? {} : { to: is }),
      },
    ];
  });
}

/** What a config says of the image and of running it, as text; variables and labels are fields of their own. */
function configFields({ author, created, config = {} }: ImageConfig): Fields {
  const fields = new Map<string, string>();
  if (author !== undefined) fields.set('author', author);
  if (created !== undefined) fields.set('created', created);
  for (const [name, value] of Object.entries(config)) {
    if (value === undefined || value === null) continue;
    if (name === 'Env' && Array.isArray(value)) {
      for (const line of value.map(String)) {
        const equals = line.indexOf('=');
        fields.set(
          `Env.${equals < 0 ? line : line.slice(0, equals)}`,
          equals < 0 ? '' : line.slice(equals + 1),
        );
      }
    } else if (name === 'Labels' && typeof value === 'object') {
      for (const [key, label] of Object.entries(value)) fields.set(`Labels.${key}`, String(label));
    } else fields.set(name, typeof value === 'string' ? value : JSON.stringify(value));
  }
  return fields;
}
