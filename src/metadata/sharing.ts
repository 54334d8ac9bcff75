// Which blobs a namespace may take over from others without sending their bytes (content/content.ts, the policies):
// a setting of the whole store, and a label of the namespaces that give.

import type { Digest } from '../digest.js';
import { StoreError } from '../errors.js';
import { listNamespaces } from './namespaces.js';
import type { Key, ReadTx, WriteTx } from './transaction.js';

/** containerd's `content_sharing_policy`. */
export const SHARING_POLICIES = ['shared', 'isolated'] as const;
export type SharingPolicy = (typeof SHARING_POLICIES)[number];

/** Set to `true`, it lets other namespaces share what this one has, under any policy (containerd, `pkg/labels`). */
const SHAREABLE = 'containerd.io/namespace.shareable';

const AT: Key = ['v1', 'settings', 'content-sharing'];

export function sharingPolicy(tx: ReadTx): SharingPolicy {
  return tx.get<SharingPolicy>(AT) ?? 'shared';
}

/** invalid-argument for a word that is no policy. Ingests that are open keep what they were opened under. */
export function setSharingPolicy(tx: WriteTx, word: string): SharingPolicy {
  const policy = SHARING_POLICIES.find((one) => one === word);
  if (policy === undefined) {
    const why = `a policy is ${SHARING_POLICIES.join(' or ')}`;
    throw new StoreError('invalid-argument', `cannot use the policy ${word}`, why);
  }
  tx.put(AT, policy);
  return policy;
}

/** True if a namespace that does not name the blob may be given its bytes. */
export function mayShare(tx: ReadTx, digest: Digest): boolean {
  if (sharingPolicy(tx) === 'shared') return true;
  return listNamespaces(tx).some(
    ({ name, labels }) => labels[SHAREABLE] === 'true' && tx.get(['v1', 'blobs', name, digest]) !== undefined,
  );
}
