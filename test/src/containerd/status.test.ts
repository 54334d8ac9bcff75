import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { failureOfStatus, isForeseen, StatusError, statusOf } from '../../../src/containerd/status.js';
import { type ErrorKind, StoreError } from '../../../src/errors.js';

const KINDS: readonly [ErrorKind, status][] = [
  ['invalid-argument', 3],
  ['not-found', 5],
  ['already-exists', 6],
  ['failed-precondition', 9],
  ['unavailable', 14],
  ['out-of-range', 11],
  ['unsupported', 12],
  ['corrupt', 15],
  ['canceled', 1],
  ['failed', 2],
];

test.each(KINDS)('a failure of kind %s goes out as status %i and comes back as it was', (kind, code) => {
  const sent = statusOf(new StoreError(kind, 'cannot remove snapshot a', 'it has children: b'));
  expect(sent).toEqual({ code, details: 'cannot remove snapshot a: it has children: b' });
  const got = failureOfStatus(Object.assign(new Error('9 FAILED'), sent), 'cannot remove snapshot a');
  expect(got).toMatchObject({ kind, what: 'cannot remove snapshot a', why: 'it has children: b' });
});

test('a status of another server is a failure of what was wanted, in its own words', () => {
  const error = Object.assign(new Error(), {
    code: status.NOT_FOUND,
    details: 'snapshot x does not exist: not found',
  });
  expect(failureOfStatus(error, 'cannot stat snapshot x')).toMatchObject({
    kind: 'not-found',
    message: 'cannot stat snapshot x: snapshot x does not exist: not found',
  });
  const odd = Object.assign(new Error(), { code: status.RESOURCE_EXHAUSTED, details: 'too much' });
  expect(failureOfStatus(odd, 'cannot list')).toMatchObject({ kind: 'failed' });
});

test('a caller who has gone cancels, which is no fault', () => {
  const gone: unknown = AbortSignal.abort().reason;
  expect(statusOf(gone)).toMatchObject({ code: status.CANCELLED });
  expect(isForeseen(gone)).toBe(true);
  expect(isForeseen(new TypeError('x is undefined'))).toBe(false);
});

test('what is no status stays what it is, and what is no failure of the store is unknown', () => {
  const bug = new TypeError('x is undefined');
  expect(failureOfStatus(bug, 'cannot list')).toBe(bug);
  expect(statusOf(bug)).toEqual({ code: status.UNKNOWN, details: 'x is undefined' });
  expect(statusOf(new StatusError(status.UNKNOWN, 'empty'))).toEqual({ code: 2, details: 'empty' });
});
