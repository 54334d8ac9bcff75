// The labels that say from which repositories of a registry a blob came (containerd, `distribution.source.<host>`):
// a push to another repository of the same registry can then mount it instead of sending it.

import type { Content } from '../content/content.js';
import type { Digest } from '../digest.js';
import { LABEL_MAX, type Labels } from '../labels.js';

/** containerd leaves the port out, since a colon has a meaning in its filters. */
function keyOf(host: string): string {
  return `containerd.io/distribution.source.${host.replace(/:[0-9]+$/, '')}`;
}

export function sourceLabels(host: string, repository: string): Labels {
  return { [keyOf(host)]: repository };
}

/** Repositories of the registry that have the blob, as far as is known. */
export function sourcesIn(labels: Labels, host: string): readonly string[] {
  return (labels[keyOf(host)] ?? '').split(',').filter((name) => name !== '');
}

/** Notes that `repository` has the blob. A list that has grown too long stays as it is. */
export async function noteSource(
  content: Content,
  digest: Digest,
  host: string,
  repository: string,
): Promise<void> {
  const { labels } = await content.info(digest);
  const known = sourcesIn(labels, host);
  if (known.includes(repository)) return;
  const key = keyOf(host);
  const value = [...known, repository].join(',');
  if (Buffer.byteLength(key) + Buffer.byteLength(value) > LABEL_MAX) return;
  await content.update(digest, { [key]: value }, [`labels.${key}`]);
}
