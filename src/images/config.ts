// The config of an image that is made here: the base's, with what was added and what the caller wants otherwise.

import { StoreError } from '../errors.js';
import type { Labels } from '../labels.js';
import type { Platform } from '../metadata/rows.js';
import type { NewLayer } from './layer-blob.js';
import type { ImageConfig } from './oci.js';
import { hostPlatform } from './platform.js';

/** What is absent stays as the base has it. */
export interface ConfigChange {
  /** The comment of the history entry. */
  readonly message?: string;
  readonly author?: string;
  /** `NAME=value`; replaces a variable of the same name. */
  readonly env?: readonly string[];
  readonly cmd?: readonly string[];
  /** Takes the base's Cmd away unless `cmd` is given, as a Dockerfile's ENTRYPOINT does. */
  readonly entrypoint?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  /** Added to the base's. */
  readonly labels?: Labels;
}

/** The config of an image of nothing. */
export function emptyConfig({ architecture, os, variant }: Platform = hostPlatform()): ImageConfig {
  return {
    architecture,
    os,
    ...(variant === undefined ? {} : { variant }),
    config: {},
    rootfs: { type: 'layers', diff_ids: [] },
    history: [],
  };
}

/** invalid-argument for a change that no config can take, whatever its base. */
export function assertConfigChange(change: ConfigChange): void {
  mergedEnv([], change.env ?? []);
}

/** `base` with new layers on top; `created` is RFC 3339. invalid-argument for a variable without `=`. */
export function changedConfig(
  base: ImageConfig,
  layers: readonly NewLayer[],
  change: ConfigChange,
  created: string,
  createdBy = 'mica commit',
): ImageConfig {
  const { author, message } = change;
  const entry = {
    created,
    created_by: createdBy,
    ...(author === undefined ? {} : { author }),
    ...(message === undefined ? {} : { comment: message }),
  };
  const history = layers.length > 0 ? layers.map(() => entry) : [{ ...entry, empty_layer: true }];
  return {
    ...base,
    created,
    ...(author === undefined ? {} : { author }),
    config: changedExecution(base.config ?? {}, change),
    rootfs: { ...base.rootfs, diff_ids: [...base.rootfs.diff_ids, ...layers.map((layer) => layer.diffId)] },
    history: [...(base.history ?? []), ...history],
  };
}

type Execution = NonNullable<ImageConfig['config']>;

function changedExecution(base: Execution, change: ConfigChange): Execution {
  const { env = [], cmd, entrypoint, workdir, user, labels } = change;
  const { Cmd, ...rest } = base;
  const command = cmd ?? (entrypoint === undefined ? Cmd : undefined);
  return {
    ...rest,
    ...(env.length === 0 ? {} : { Env: mergedEnv(base.Env ?? [], env) }),
    ...(entrypoint === undefined ? {} : { Entrypoint: [...entrypoint] }),
    ...(command === undefined ? {} : { Cmd: [...command] }),
    ...(workdir === undefined ? {} : { WorkingDir: workdir }),
    ...(user === undefined ? {} : { User: user }),
    ...(labels === undefined ? {} : { Labels: { ...base.Labels, ...labels } }),
  };
}

function mergedEnv(base: readonly string[], added: readonly string[]): string[] {
  const variables = new Map<string, string>();
  for (const line of base) variables.set(line.split('=', 1)[0] ?? line, line);
  for (const line of added) {
    if (!/^[^=]+=/.test(line)) {
      throw new StoreError('invalid-argument', `cannot set variable ${line}`, 'it is not NAME=value');
    }
    variables.set(line.split('=', 1)[0] ?? line, line);
  }
  return [...variables.values()];
}
