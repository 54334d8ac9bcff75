import { expect, it } from 'vitest';
import { assertImageName, fullName, splitReference } from '../../../src/images/reference.js';

it.each([
  ['alpine', 'docker.io/library/alpine:latest'],
  ['alpine:3.19', 'docker.io/library/alpine:3.19'],
  ['me/tool', 'docker.io/me/tool:latest'],
  ['docker.io/alpine', 'docker.io/library/alpine:latest'],
  ['index.docker.io/library/alpine:1', 'docker.io/library/alpine:1'],
  ['localhost/x', 'localhost/x:latest'],
  ['localhost:5000/x', 'localhost:5000/x:latest'],
  ['quay.io/a/b@sha256:00', 'quay.io/a/b@sha256:00'],
  ['Host/x', 'Host/x:latest'],
  ['UPPER', undefined],
  ['a b', undefined],
])('the whole name of %s is %s', (name, whole) => {
  expect(fullName(name)).toBe(whole);
});

it('does not take the port of a host for a tag', () => {
  expect(splitReference('host:5000/x')).toEqual({ repository: 'host:5000/x' });
  expect(splitReference('host:5000/x:t')).toEqual({ repository: 'host:5000/x', tag: 't' });
});

it('refuses names with blanks, controls or nothing', () => {
  for (const name of ['', 'a b', 'a\nb', 'x'.repeat(513)]) {
    expect(() => assertImageName(name)).toThrowError(expect.objectContaining({ kind: 'invalid-argument' }));
  }
});
