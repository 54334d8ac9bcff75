// Who one is at a registry: the files that `docker login` and `podman login` write, and the programs that they name.
//
// The files are asked in this order, and the first that knows the registry wins: REGISTRY_AUTH_FILE alone if it is
// set; else $XDG_RUNTIME_DIR/containers/auth.json, $XDG_CONFIG_HOME/containers/auth.json (~/.config), and Docker's
// config.json in DOCKER_CONFIG (~/.docker). In a file a program for this registry comes first, then the entry with
// the longest path (containers-auth.json(5): `host/team/app` before `host/team` before `host`), then the program for
// all registries.

import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { hasCode } from '../content/system-error.js';
import { StoreError } from '../errors.js';
import { askHelper } from './credential-helper.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What a login left. */
export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  /** Exchanged for access tokens (OAuth 2, grant_type=refresh_token). */
  | { readonly kind: 'identity'; readonly token: string }
  /** Sent as it is. */
  | { readonly kind: 'bearer'; readonly token: string };

export interface Found {
  readonly credentials?: Credentials;
  /** Why a file that knows the registry gave none, for a person. */
  readonly problem?: string;
}

/** A file of credentials is small; anything longer is something else. */
const FILE_MAX = 1 << 20;

/** What there is for `repository` of `host`. corrupt for a file that cannot be read as one. */
export async function findCredentials(
  host: string,
  repository: string,
  environment: Environment = process.env,
): Promise<Found> {
  let problem: Found = {};
  for (const path of authFiles(environment)) {
    const file = await readAuthFile(path);
    const found = file === undefined ? {} : await inFile(file, host, repository, environment);
    if (found.credentials !== undefined) return found;
    if (found.problem !== undefined) problem = found;
  }
  return problem;
}

function authFiles(environment: Environment): readonly string[] {
  const named = environment['REGISTRY_AUTH_FILE'];
  if (named !== undefined && named !== '') return [named];
  const home = environment['HOME'] || homedir();
  const runtime = environment['XDG_RUNTIME_DIR'] || `/run/containers/${process.getuid?.() ?? 0}`;
  const containers = environment['XDG_RUNTIME_DIR'] ? join(runtime, 'containers') : runtime;
  const config = environment['XDG_CONFIG_HOME'] || join(home, '.config');
  const docker = environment['DOCKER_CONFIG'] || join(home, '.docker');
  return [
    join(containers, 'auth.json'),
    join(config, 'containers', 'auth.json'),
    join(docker, 'config.json'),
  ];
}

type Fields = Readonly<Record<string, unknown>>;

/** undefined if there is none that this user may read. */
async function readAuthFile(path: string): Promise<Fields | undefined> {
  const what = `cannot read the credentials in ${path}`;
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].some((code) => hasCode(error, code))) return undefined;
    throw error;
  }
  if (bytes.length > FILE_MAX) throw new StoreError('corrupt', what, `it has ${bytes.length} bytes`);
  if (bytes.toString('utf8').trim() === '') return undefined;
  try {
    return fields(JSON.parse(bytes.toString('utf8')));
  } catch (error) {
    // The cause is left out: it quotes the file.
    if (error instanceof SyntaxError) throw new StoreError('corrupt', what, 'not valid JSON');
    throw error;
  }
}

async function inFile(
  file: Fields,
  host: string,
  repository: string,
  environment: Environment,
): Promise<Found> {
  const helper = fields(file['credHelpers'])[host];
  if (typeof helper === 'string') return askHelper(helper, serverName(host), environment);
  const written = inAuths(fields(file['auths']), host, repository);
  if (written !== undefined) return { credentials: written };
  const store = file['credsStore'];
  if (typeof store !== 'string' || store === '') return {};
  return askHelper(store, serverName(host), environment);
}

/** Under which name Docker keeps a registry. */
function serverName(host: string): string {
  return host === 'docker.io' ? DOCKER_SERVER : host;
}

const DOCKER_SERVER = 'https://index.docker.io/v1/';
const DOCKER_NAMES = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

function inAuths(auths: Fields, host: string, repository: string): Credentials | undefined {
  const parts = repository.split('/');
  for (let length = parts.length; length > 0; length--) {
    const found = credentialsIn(auths[`${host}/${parts.slice(0, length).join('/')}`]);
    if (found !== undefined) return found;
  }
  const names = host === 'docker.io' ? DOCKER_NAMES : [host];
  const exact = names.map((name) => credentialsIn(auths[name])).find((one) => one !== undefined);
  if (exact !== undefined) return exact;
  // As older programs wrote them: with a scheme and the version of the API behind.
  const entry = Object.keys(auths).find((key) => names.includes(hostOf(key)));
  return entry === undefined ? undefined : credentialsIn(auths[entry]);
}

function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/?)?$/, '');
}

function credentialsIn(value: unknown): Credentials | undefined {
  const { auth, username, password, identitytoken, registrytoken } = fields(value);
  if (isText(registrytoken)) return { kind: 'bearer', token: registrytoken };
  if (isText(identitytoken)) return { kind: 'identity', token: identitytoken };
  if (isText(auth)) {
    const text = Buffer.from(auth, 'base64').toString('utf8');
    const colon = text.indexOf(':');
    if (colon <= 0) return undefined;
    // Docker pads what it writes with NUL.
    return {
      kind: 'password',
      username: text.slice(0, colon),
      password: text.slice(colon + 1).replace(/\0+$/, ''),
    };
  }
  if (isText(username) && isText(password)) return { kind: 'password', username, password };
  return undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** An object's fields; none for anything else. */
function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}
