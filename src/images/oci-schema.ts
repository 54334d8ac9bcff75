// The shapes of OCI and Docker JSON as valibot schemas. Loaded lazily (see oci.ts): most commands read no image.
// Only what this program relies on is checked; everything else is kept as it came, so that a config that is
// written again keeps fields which are not known here.

import * as v from 'valibot';

const digest = v.pipe(
  v.string(),
  v.regex(/^sha256:[0-9a-f]{64}$/, 'not a digest of the form sha256:<64 hex digits>'),
);
const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const labels = v.record(v.string(), v.string());
const strings = v.array(v.string());

const platform = v.object({
  os: v.string(),
  architecture: v.string(),
  variant: v.exactOptional(v.string()),
});

const descriptor = v.object({
  mediaType: v.pipe(v.string(), v.nonEmpty('is empty')),
  digest,
  size,
  urls: v.exactOptional(strings),
  annotations: v.exactOptional(labels),
  platform: v.exactOptional(platform),
  artifactType: v.exactOptional(v.string()),
});

const schemaVersion = v.literal(2, 'only schema version 2 is supported');

export const indexSchema = v.object({
  schemaVersion,
  mediaType: v.exactOptional(v.string()),
  manifests: v.exactOptional(v.array(descriptor), () => []),
  annotations: v.exactOptional(labels),
});

export const manifestSchema = v.object({
  schemaVersion,
  mediaType: v.exactOptional(v.string()),
  artifactType: v.exactOptional(v.string()),
  config: descriptor,
  layers: v.exactOptional(v.array(descriptor), () => []),
  annotations: v.exactOptional(labels),
});

const history = v.looseObject({
  created: v.exactOptional(v.string()),
  created_by: v.exactOptional(v.string()),
  author: v.exactOptional(v.string()),
  comment: v.exactOptional(v.string()),
  empty_layer: v.exactOptional(v.boolean()),
});

const execution = v.looseObject({
  User: v.exactOptional(v.string()),
  Env: v.exactOptional(strings),
  Entrypoint: v.exactOptional(strings),
  Cmd: v.exactOptional(strings),
  WorkingDir: v.exactOptional(v.string()),
  Labels: v.exactOptional(labels),
});

export const configSchema = v.looseObject({
  created: v.exactOptional(v.string()),
  author: v.exactOptional(v.string()),
  architecture: v.pipe(v.string(), v.nonEmpty('is empty')),
  os: v.pipe(v.string(), v.nonEmpty('is empty')),
  variant: v.exactOptional(v.string()),
  config: v.exactOptional(execution),
  rootfs: v.looseObject({ type: v.literal('layers'), diff_ids: v.exactOptional(v.array(digest), () => []) }),
  history: v.exactOptional(v.array(history)),
});

export const dockerManifestSchema = v.array(
  v.object({
    Config: v.pipe(v.string(), v.nonEmpty('is empty')),
    RepoTags: v.exactOptional(strings, () => []),
    Layers: v.exactOptional(strings, () => []),
  }),
);

export const layoutSchema = v.object({ imageLayoutVersion: v.string() });

export type Index = v.InferOutput<typeof indexSchema>;
export type Manifest = v.InferOutput<typeof manifestSchema>;
export type ImageConfig = v.InferOutput<typeof configSchema>;
export type DockerManifest = v.InferOutput<typeof dockerManifestSchema>;

/** The first fault as `field.path: reason`, or undefined and the value. */
export function check<T extends v.GenericSchema>(
  schema: T,
  value: unknown,
): { readonly output: v.InferOutput<T> } | { readonly fault: string } {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return { output: result.output };
  const issue = result.issues[0];
  const path = v.getDotPath(issue);
  return { fault: path === null ? issue.message : `${path}: ${issue.message}` };
}
