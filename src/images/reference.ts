// Names of images. A row keeps the name it was given; names that Docker shortens (`alpine`, `me/tool:1`) are
// stored whole (`docker.io/library/alpine:latest`), as containerd and podman list them, and both spellings find
// the row.

import { StoreError } from '../errors.js';

const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

export interface Reference {
  /** `host[:port]/path`, or without a host as it was written. */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
}

/** Splits `repository[:tag][@digest]` without adding anything. */
export function splitReference(name: string): Reference {
  const at = name.indexOf('@');
  const rest = at < 0 ? name : name.slice(0, at);
  const digest = at < 0 ? {} : { digest: name.slice(at + 1) };
  const colon = rest.lastIndexOf(':');
  // A colon before the last slash belongs to the port of a host.
  if (colon < 0 || rest.indexOf('/', colon) >= 0) return { repository: rest, ...digest };
  return { repository: rest.slice(0, colon), tag: rest.slice(colon + 1), ...digest };
}

/**
 * The whole name: `docker.io/` before a name without host, `library/` before a single word of Docker's, and the
 * tag `latest` where there is neither tag nor digest. undefined if `name` cannot be made a reference.
 */
export function fullName(name: string): string | undefined {
  const { repository, tag, digest } = splitReference(name);
  const slash = repository.indexOf('/');
  const first = slash < 0 ? '' : repository.slice(0, slash);
  const hasHost = /[.:A-Z]/.test(first) || first === 'localhost';
  const host = !hasHost || first === 'index.docker.io' ? 'docker.io' : first;
  let path = hasHost ? repository.slice(slash + 1) : repository;
  if (host === 'docker.io' && !path.includes('/')) path = `library/${path}`;
  if (!REPOSITORY.test(path) || (tag !== undefined && !TAG.test(tag))) return undefined;
  const suffix = tag === undefined ? (digest === undefined ? ':latest' : '') : `:${tag}`;
  return `${host}/${path}${suffix}${digest === undefined ? '' : `@${digest}`}`;
}

/** Refuses names that no command line could say again: empty, over 512 characters, with blanks or controls. */
export function assertImageName(name: string): void {
  const what = `cannot name an image ${JSON.stringify(name.slice(0, 60))}`;
  if (name === '') throw new StoreError('invalid-argument', what, 'the name is empty');
  if (name.length > 512) {
    throw new StoreError('invalid-argument', what, `${name.length} characters are more than the 512 allowed`);
  }
  if (/[\s\p{Cc}]/u.test(name)) {
    throw new StoreError('invalid-argument', what, 'the name holds blanks or control characters');
  }
}
