import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findCredentials } from '../../../src/registry/credentials.js';
import { tempFolder } from '../../fixtures/oci.js';

let home: string;
beforeEach(() => {
  home = tempFolder();
});
afterEach(() => {
  rmSync(home, { recursive: true });
});

/** Writes a file below the home folder. */
function put(path: string, value: unknown): string {
  const file = join(home, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
  return file;
}

const login = (user: string) => ({ auth: Buffer.from(`${user}:secret:1`).toString('base64') });
const password = (username: string) => ({
  credentials: { kind: 'password', username, password: 'secret:1' },
});
const find = (host: string, repository = 'team/app', more: Record<string, string> = {}) =>
  findCredentials(host, repository, {
    HOME: home,
    XDG_RUNTIME_DIR: join(home, 'run'),
    PATH: `${home}/bin:${process.env['PATH']}`,
    ...more,
  });

it('finds nothing where nothing is', async () => {
  expect(await find('ex.io')).toEqual({});
});

it('asks the files of containers before those of Docker, and REGISTRY_AUTH_FILE alone', async () => {
  put('.docker/config.json', { auths: { 'ex.io': login('docker') } });
  expect(await find('ex.io')).toEqual(password('docker'));
  put('.config/containers/auth.json', { auths: { 'ex.io': login('config') } });
  expect(await find('ex.io')).toEqual(password('config'));
  put('run/containers/auth.json', { auths: { 'ex.io': login('run') } });
  expect(await find('ex.io')).toEqual(password('run'));
  const named = put('named.json', { auths: { 'other.io': login('named') } });
  expect(await find('ex.io', 'x', { REGISTRY_AUTH_FILE: named })).toEqual({});
  expect(await find('other.io', 'x', { REGISTRY_AUTH_FILE: named })).toEqual(password('named'));
  put('elsewhere/config.json', { auths: { 'third.io': login('elsewhere') } });
  expect(await find('third.io', 'x', { DOCKER_CONFIG: join(home, 'elsewhere') })).toEqual(
    password('elsewhere'),
  );
});

it('takes the longest path that the repository lies in', async () => {
  const auths = { 'ex.io': login('host'), 'ex.io/team': login('team'), 'ex.io/team/app': login('app') };
  put('.docker/config.json', { auths });
  expect(await find('ex.io', 'team/app')).toEqual(password('app'));
  expect(await find('ex.io', 'team/app/part')).toEqual(password('app'));
  expect(await find('ex.io', 'team/other')).toEqual(password('team'));
  expect(await find('ex.io', 'teams')).toEqual(password('host'));
});

it.each([
  ['docker.io', 'https://index.docker.io/v1/'],
  ['docker.io', 'docker.io'],
  ['ex.io:5000', 'https://ex.io:5000'],
  ['ex.io:5000', 'http://ex.io:5000/v2/'],
])('finds %s under %s', async (host, key) => {
  put('.docker/config.json', { auths: { 'ex.io': login('no'), [key]: login('yes') } });
  expect(await find(host)).toEqual(password('yes'));
});

it('knows identity tokens, registry tokens, and fields that are not encoded', async () => {
  const auths = {
    'a.io': { ...login('x'), identitytoken: 'id' },
    'b.io': { registrytoken: 'reg' },
    'c.io': { username: 'u', password: 'secret:1' },
  };
  put('.docker/config.json', { auths });
  expect(await find('a.io')).toEqual({ credentials: { kind: 'identity', token: 'id' } });
  expect(await find('b.io')).toEqual({ credentials: { kind: 'bearer', token: 'reg' } });
  expect(await find('c.io')).toEqual(password('u'));
});

it('says which file is damaged, and nothing of what is in it', async () => {
  const file = put('.docker/config.json', '{"auths": {"ex.io": {"auth": "c2VjcmV0"');
  const failure: unknown = await find('ex.io').catch((error: unknown) => error);
  expect(failure).toMatchObject({
    kind: 'corrupt',
    message: `cannot read the credentials in ${file}: not valid JSON`,
  });
  expect((failure as Error).cause).toBeUndefined();
});

/** A program `docker-credential-NAME`, as a shell script that has the server in $server. */
function helper(name: string, script: string): void {
  const file = put(`bin/docker-credential-${name}`, `#!/bin/sh\nserver=$(cat)\n${script}\n`);
  chmodSync(file, 0o755);
}

it('asks the helper of a registry, by the name that Docker gives it', async () => {
  helper('one', `echo '{"Username":"'$1:$server'","Secret":"secret:1"}'`);
  put('.docker/config.json', {
    credHelpers: { 'ex.io': 'one', 'docker.io': 'one' },
    auths: { 'ex.io': login('x') },
  });
  expect(await find('ex.io')).toEqual(password('get:ex.io'));
  expect(await find('docker.io')).toEqual(password('get:https://index.docker.io/v1/'));
});

it('asks the helper of all registries where no entry says more', async () => {
  helper('all', `echo '{"Username":"<token>","Secret":"id"}'`);
  put('.docker/config.json', { credsStore: 'all', auths: { 'ex.io': {}, 'own.io': login('own') } });
  expect(await find('ex.io')).toEqual({ credentials: { kind: 'identity', token: 'id' } });
  expect(await find('own.io')).toEqual(password('own'));
});

it('goes on to the next file when a helper has nothing', async () => {
  helper('none', 'echo credentials not found in native keychain; exit 1');
  put('.config/containers/auth.json', { credHelpers: { 'ex.io': 'none' } });
  expect(await find('ex.io')).toEqual({});
  put('.docker/config.json', { auths: { 'ex.io': login('next') } });
  expect(await find('ex.io')).toEqual(password('next'));
});

it('keeps what is wrong with a helper for the case that a login is needed', async () => {
  helper('broken', 'echo the keychain is locked; exit 1');
  put('.docker/config.json', { credsStore: 'broken', credHelpers: { 'ex.io': 'missing' } });
  expect(await find('ex.io')).toEqual({
    problem: 'there is no program docker-credential-missing, which the file of credentials names',
  });
  expect(await find('other.io')).toEqual({
    problem: 'docker-credential-broken failed: the keychain is locked',
  });
});
