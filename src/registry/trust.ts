// Whom to trust. Programs of this kind take the authorities of the machine, and Node by itself does not, so they
// are read here: SSL_CERT_FILE if it is set, else the system's bundle, else what Node brings along; beside that
// NODE_EXTRA_CA_CERTS, `--ca`, and the files that Docker and podman keep for one registry (certs.d(5)).

import { readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates, type SecureContextOptions } from 'node:tls';
import { asStoreError, hasCode } from '../content/system-error.js';
import { StoreError } from '../errors.js';
import type { Environment } from './credentials.js';

/** Where systems keep their bundle (Go, `crypto/x509/root_linux.go`). */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** Authorities, and what to show if the registry asks who we are. `file`: one more authority that must be there. */
export function trustFor(
  host: string,
  file: string | undefined,
  environment: Environment = process.env,
): SecureContextOptions {
  const authorities: (string | Buffer)[] = [...systemAuthorities(environment)];
  const extra = environment['NODE_EXTRA_CA_CERTS'];
  if (extra) authorities.push(...ifThere(extra));
  if (file !== undefined) authorities.push(required(file));
  const own = ofHost(host, environment);
  authorities.push(...own.authorities);
  return { ca: authorities, ...(own.cert === undefined ? {} : { cert: own.cert, key: own.key }) };
}

function systemAuthorities(environment: Environment): readonly (string | Buffer)[] {
  const named = environment['SSL_CERT_FILE'];
  if (named) return [required(named)];
  for (const path of BUNDLES) {
    const [bundle] = ifThere(path);
    if (bundle !== undefined) return [bundle];
  }
  return rootCertificates;
}

interface OfHost {
  readonly authorities: readonly Buffer[];
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** `*.crt` are authorities; `x.cert` with `x.key` is what to show. */
function ofHost(host: string, environment: Environment): OfHost {
  const config = environment['XDG_CONFIG_HOME'] || join(environment['HOME'] || homedir(), '.config');
  const roots = [join(config, 'containers'), '/etc/containers', '/etc/docker'];
  const authorities: Buffer[] = [];
  let shown: { cert: Buffer; key: Buffer } | undefined;
  for (const folder of roots.map((root) => join(root, 'certs.d', host))) {
    for (const name of namesIn(folder)) {
      if (name.endsWith('.crt')) authorities.push(...ifThere(join(folder, name)));
      if (!name.endsWith('.cert') || shown !== undefined) continue;
      const [cert] = ifThere(join(folder, name));
      const [key] = ifThere(join(folder, name.replace(/cert$/, 'key')));
      if (cert !== undefined && key !== undefined) shown = { cert, key };
    }
  }
  return { authorities, ...shown };
}

function required(path: string): Buffer {
  const what = `cannot read the authorities in ${path}`;
  try {
    return readFileSync(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw new StoreError('not-found', what, 'there is no such file');
    throw asStoreError(error, what);
  }
}

function ifThere(path: string): Buffer[] {
  try {
    return [readFileSync(path)];
  } catch (error) {
    if (isUnreadable(error)) return [];
    throw error;
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (isUnreadable(error)) return [];
    throw error;
  }
}

function isUnreadable(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR'].some((code) => hasCode(error, code));
}
