import { expect, it } from 'vitest';
import { apiHost, isLoopback, parseRemote, tagOrDigest } from '../../../src/registry/reference.js';

const digest = `sha256:${'a'.repeat(64)}`;

it.each([
  ['alpine', 'docker.io', 'library/alpine', 'latest'],
  ['me/tool:1', 'docker.io', 'me/tool', '1'],
  ['index.docker.io/alpine', 'docker.io', 'library/alpine', 'latest'],
  ['localhost/x', 'localhost', 'x', 'latest'],
  ['localhost:5000/a/b/c:T_1.0-x', 'localhost:5000', 'a/b/c', 'T_1.0-x'],
  ['[::1]:5000/x', '[::1]:5000', 'x', 'latest'],
  ['Host/x', 'Host', 'x', 'latest'],
  [`ex.io/x@${digest}`, 'ex.io', 'x', digest],
  [`ex.io/x:1@${digest}`, 'ex.io', 'x', digest],
])('%s is in %s the repository %s at %s', (text, host, repository, at) => {
  const remote = parseRemote(text, 'test');
  expect([remote.host, remote.repository, tagOrDigest(remote)]).toEqual([host, repository, at]);
});

it.each([
  ['docker://alpine', 'not with docker://'],
  ['me/Tool', 'lower case'],
  ['x:-tag', 'tag -tag'],
  ['a'.repeat(64), 'an id and no name'],
  ['ex.io/x@sha256:00', '64 lower-case hex digits'],
  ['-bad.io/x', 'no name of a host'],
  [`ex.io/${'a/'.repeat(130)}a`, 'more than the 255'],
  ['', 'no name of an image'],
])('refuses %s', (text, why) => {
  expect(() => parseRemote(text, 'test')).toThrowError(
    expect.objectContaining({ kind: 'invalid-argument', message: expect.stringContaining(why) }),
  );
});

it('knows loopback hosts, and the host that answers for docker.io', () => {
  expect(['localhost:5000', '127.0.0.1', '127.1.2.3:80', '[::1]:5000'].every(isLoopback)).toBe(true);
  expect(['localhost.ex.io', '128.0.0.1', 'ex.io', '127.0.0.1.ex.io'].some(isLoopback)).toBe(false);
  expect([apiHost('docker.io'), apiHost('ex.io')]).toEqual(['registry-1.docker.io', 'ex.io']);
});
