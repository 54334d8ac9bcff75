// Names of images as registries know them. They are read as Docker reads them (`distribution/reference`): a first
// part with a dot, a colon or a capital, or `localhost`, is a host; without one the name is Docker's own.

import { type Digest, parseDigest } from '../digest.js';
import { StoreError } from '../errors.js';
import { fullName, splitReference } from '../images/reference.js';

export interface RemoteReference {
  /** As the store names the image: `docker.io/library/alpine:latest`. */
  readonly name: string;
  /** `docker.io`, `localhost:5000`: the registry as it stands in names and in files of credentials. */
  readonly host: string;
  /** The path in the registry. */
  readonly repository: string;
  /** Absent only beside a digest. */
  readonly tag?: string;
  readonly digest?: Digest;
}

const LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const HOST = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
/** Host and path together. */
const NAME_MAX = 255;

/** invalid-argument if `text` cannot name an image of a registry; `what` begins the error. */
export function parseRemote(text: string, what: string): RemoteReference {
  const refuse = (why: string, hint?: string) =>
    new StoreError('invalid-argument', what, why, hint === undefined ? {} : { hint });
  const scheme = /^[a-z+]+:\/\//.exec(text)?.[0];
  if (scheme !== undefined) {
    throw refuse(`a name begins with a host, not with ${scheme}`, text.slice(scheme.length));
  }
  if (/^[0-9a-f]{64}$/.test(text)) throw refuse('64 hex digits are an id and no name');
  const name = fullName(text);
  if (name === undefined) throw refuse(`${JSON.stringify(text)} is no name of an image${reasonOf(text)}`);
  const { repository: whole, tag, digest } = splitReference(name);
  const slash = whole.indexOf('/');
  const host = whole.slice(0, slash);
  if (!HOST.test(host)) throw refuse(`${host} is no name of a host`);
  if (whole.length > NAME_MAX) {
    throw refuse(`${whole.length} characters are more than the ${NAME_MAX} that a registry takes`);
  }
  return {
    name,
    host,
    repository: whole.slice(slash + 1),
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest: parseDigest(digest) }),
  };
}

/** What a reference means in its repository; a digest says more than a tag. */
export function tagOrDigest({ tag, digest }: RemoteReference): string {
  return digest ?? tag ?? 'latest';
}

/** The host that answers for a registry: Docker's answers under a name of its own. */
export function apiHost(host: string): string {
  return host === 'docker.io' ? 'registry-1.docker.io' : host;
}

/** `localhost` and the loopback addresses, which Docker takes for insecure without being told. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:[0-9]+$/, '');
  return name === 'localhost' || name === '[::1]' || /^127(?:\.[0-9]{1,3}){3}$/.test(name);
}

function reasonOf(text: string): string {
  const { repository, tag } = splitReference(text);
  if (/[A-Z]/.test(repository)) return ': the path must be in lower case';
  return tag === undefined ? '' : `: repository or tag ${tag} has characters that are not allowed`;
}
