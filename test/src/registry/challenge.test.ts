import { expect, it } from 'vitest';
import { parseChallenges } from '../../../src/registry/challenge.js';

it('reads parameters, quoted or not', () => {
  expect(
    parseChallenges('Bearer realm="https://a/t?x=1,2",service=reg,scope="repository:x:pull,push"'),
  ).toEqual([
    {
      scheme: 'bearer',
      parameters: { realm: 'https://a/t?x=1,2', service: 'reg', scope: 'repository:x:pull,push' },
    },
  ]);
});

it('reads several challenges of one header', () => {
  expect(parseChallenges('Basic realm="a \\"b\\"", Bearer realm="c" , Negotiate')).toEqual([
    { scheme: 'basic', parameters: { realm: 'a "b"' } },
    { scheme: 'bearer', parameters: { realm: 'c' } },
    { scheme: 'negotiate', parameters: {} },
  ]);
});

it('reads nothing from nothing, and stops at rubbish', () => {
  expect(parseChallenges('')).toEqual([]);
  expect(parseChallenges('="x')).toEqual([]);
});
