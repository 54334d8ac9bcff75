// Requests that no kernel should send: each fails alone, reads nothing beyond its own bytes, and the next
// request is served.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EIO, ENOSPC, FsError } from '../../fs/errno.js';
import { OPERATIONS } from '../../fs/fuse/operations.js';
import { runs } from '../runs.js';
import { entryOut, failure, le32, le64, reply, request, text, Wire } from './wire.js';

const RUNS = runs(5000);

const EINVAL = 22;
const LOOKUP = request(1, 1, text('file'));

describe('a malformed request', () => {
  it.each(Object.entries(OPERATIONS))(
    'opcode %s with a body one byte short is EINVAL, or silence',
    (code, operation) => {
      const wire = new Wire();
      if (operation.body === 0) return;
      const answer = wire.send(request(Number(code), 1, '00'.repeat(operation.body - 1)));
      expect(answer).toBe(operation.silent === true ? '' : failure(EINVAL));
      expect(wire.asked()).toEqual([]);
      expect(wire.send(LOOKUP)).toBe(reply(entryOut(7)));
    },
  );

  it.each([
    ['a name without NUL', request(1, 1, '66696c65')],
    ['an empty name', request(1, 1, '00')],
    ['a name with a slash', request(1, 1, text('a/b'))],
    ['a name that is ..', request(10, 1, text('..'))],
    ['the second of two names missing', request(12, 1, le64(2) + text('one'))],
    ['a symlink whose target has no NUL', request(6, 1, `${text('one')} 61`)],
    ['a node beyond 2^53', request(3, 0, '00'.repeat(16)).fill(0xff, 16, 24)],
    [
      'a WRITE that says more than it holds',
      request(16, 7, `${le64(1)} ${le64(0)} ffffff7f ${'00'.repeat(20)} 61`),
    ],
    [
      'an xattr value that says more than it holds',
      request(21, 7, `ffffffff ${'00'.repeat(12)} ${text('user.x')} 61`),
    ],
    ['copy_file_range flags', request(53, 7, `${'00'.repeat(48)} ${le64(1)}`)],
    [
      'rename flags that nobody knows',
      request(45, 1, `${le64(1)} 10000000 00000000 ${text('a')} ${text('b')}`),
    ],
  ])('%s is EINVAL and asks the filesystem nothing', (_, bytes) => {
    const wire = new Wire();
    expect(wire.send(bytes)).toBe(failure(EINVAL));
    expect(wire.asked()).toEqual([]);
    expect(wire.faults).toEqual([]);
  });

  const names: readonly [call: string, opcode: number, before: string, after: string][] = [
    ['LOOKUP', 1, '', ''],
    ['SYMLINK', 6, '', text('target')],
    ['MKNOD', 8, `${le32(0o100644)} ${'00'.repeat(12)}`, ''],
    ['MKDIR', 9, '00'.repeat(8), ''],
    ['UNLINK', 10, '', ''],
    ['RMDIR', 11, '', ''],
    ['RENAME from', 12, le64(1), text('to')],
    ['RENAME to', 12, le64(1) + text('from'), ''],
    ['RENAME2 from', 45, '00'.repeat(16), text('to')],
    ['RENAME2 to', 45, '00'.repeat(16) + text('from'), ''],
    ['LINK', 13, le64(7), ''],
    ['CREATE', 35, '00'.repeat(16), ''],
  ];
  it.each(names)('%s refuses what is no name', (_, opcode, before, after) => {
    const wire = new Wire();
    const bad = ['', '.', '..', '/', 'a/b', '/etc'];
    for (const name of bad)
      expect(wire.send(request(opcode, 1, before + text(name) + after))).toBe(failure(EINVAL));
    expect(wire.send(request(opcode, 1, before + text('n'.repeat(256)) + after))).toBe(failure(36));
    expect(wire.asked()).toEqual([]);
    wire.send(request(opcode, 1, before + text('n'.repeat(255)) + after));
    expect(wire.asked()).toHaveLength(1);
    expect(wire.faults).toEqual([]);
  });

  it('a name of 256 bytes is ENAMETOOLONG, one of 255 is asked for', () => {
    const wire = new Wire();
    expect(wire.send(request(1, 1, text('n'.repeat(256))))).toBe(failure(36));
    wire.send(request(1, 1, text('n'.repeat(255))));
    expect(wire.asked()).toEqual([`lookup 1 ${'n'.repeat(255)}`]);
  });

  it('a READ of more than a reply holds is EIO', () => {
    const wire = new Wire();
    expect(wire.send(request(15, 7, `${le64(1)} ${le64(0)} ffffffff ${'00'.repeat(20)}`))).toBe(failure(EIO));
  });

  it('a BATCH_FORGET that counts more than it holds gives back what it holds', () => {
    const wire = new Wire();
    expect(wire.send(request(42, 0, `ffffffff 00000000 ${le64(7)} ${le64(1)}`))).toBe('');
    expect(wire.asked()).toEqual(['forget 7 1']);
  });

  it('a message of another length than it says is dropped and reported', () => {
    const wire = new Wire();
    expect(wire.send(LOOKUP.subarray(0, LOOKUP.length - 1))).toBe('');
    expect(wire.send(LOOKUP.subarray(0, 20))).toBe('');
    expect(wire.faults).toHaveLength(2);
    expect(wire.asked()).toEqual([]);
  });

  it('does not read the rest of a longer request before it', () => {
    const wire = new Wire();
    wire.send(request(16, 7, `${le64(1)} ${le64(0)} 40000000 ${'00'.repeat(20)} ${'61'.repeat(63)}00`));
    wire.asked();
    expect(wire.send(request(1, 1, '66696c65'))).toBe(failure(EINVAL));
  });
});

describe('a failing filesystem', () => {
  it('answers its errno', () => {
    const wire = new Wire();
    wire.filesystem.failure = new FsError(ENOSPC);
    expect(wire.send(LOOKUP)).toBe(failure(ENOSPC));
    expect(wire.faults).toEqual([]);
  });

  it('that has a bug answers EIO to that request, reports it, and goes on', () => {
    const wire = new Wire();
    const bug = new TypeError('bug');
    wire.filesystem.failure = bug;
    expect(wire.send(LOOKUP)).toBe(failure(EIO));
    expect(wire.faults).toEqual([{ operation: 'lookup', error: bug }]);
    expect(wire.send(LOOKUP)).toBe(reply(entryOut(7)));
  });

  it('that cannot clear the set-id bits of an open file closes it again', () => {
    const wire = new Wire();
    wire.filesystem.failing = 'setattr';
    wire.filesystem.failure = new FsError(ENOSPC);
    expect(wire.send(request(14, 7, `${le32(0o1001)} 01000000`))).toBe(failure(ENOSPC));
    expect(wire.asked()).toEqual(['open 7 1001', 'setattr 7 {killPrivileges:true} 1000 57', 'release 57']);
  });

  it('that throws an errno which the kernel would refuse is a bug', () => {
    const wire = new Wire();
    wire.filesystem.failure = new FsError(512);
    expect(wire.send(LOOKUP)).toBe(failure(EIO));
    expect(wire.faults).toHaveLength(1);
  });

  it('in the middle of a READDIRPLUS gives back the entries before', () => {
    const wire = new Wire();
    wire.filesystem.names.set('broken', 9);
    const answer = wire.send(request(44, 1, `${le64(58)} ${le64(0)} ${le32(8192)} ${'00'.repeat(20)}`));
    expect(answer).toBe(failure(2));
    expect(wire.asked()).toEqual(['readdirplus 58 0', 'forget 7 1', 'forget 9 1']);
  });
});

describe('a reply that did not reach its asker', () => {
  const open = '00000000 00000000';
  it.each([
    ['LOOKUP', LOOKUP, ['forget 7 1']],
    ['LOOKUP of nothing', request(1, 1, text('none')), []],
    ['CREATE', request(35, 1, '00'.repeat(16) + text('new')), ['release 55', 'forget 8 1']],
    ['OPEN', request(14, 7, open), ['release 57']],
    ['OPENDIR', request(27, 7, open), ['releasedir 58']],
    ['READDIRPLUS', request(44, 7, `${'00'.repeat(16)} 00100000 ${'00'.repeat(20)}`), ['forget 7 1']],
    ['GETATTR', request(3, 7, '00'.repeat(16)), []],
  ] as const)('%s takes back what it gave out, once', (_, bytes, expected) => {
    const wire = new Wire();
    wire.send(bytes);
    wire.asked();
    wire.dispatcher.undelivered();
    wire.dispatcher.undelivered();
    expect(wire.asked()).toEqual(expected);
  });

  it('because the kernel refused its form becomes EIO', () => {
    const wire = new Wire();
    wire.send(LOOKUP);
    wire.asked();
    const length = wire.dispatcher.refused(EINVAL);
    expect(Buffer.from(wire.dispatcher.replyBytes.subarray(0, length)).toString('hex')).toBe(failure(EIO));
    expect(wire.asked()).toEqual(['forget 7 1']);
    expect(wire.faults).toHaveLength(1);
  });
});

describe('any bytes', () => {
  it('get one reply of a length that the kernel takes, and no fault', () => {
    const wire = new Wire();
    const opcode = fc.constantFrom(...Object.keys(OPERATIONS).map(Number), 0, 7, 54, 4096);
    fc.assert(
      fc.property(opcode, fc.uint8Array({ maxLength: 200 }), fc.nat(3), (code, body, nuls) => {
        const bytes = Buffer.from(body).toString('hex') + '00'.repeat(nuls);
        const answer = Buffer.from(wire.send(request(code, 7, bytes)), 'hex');
        if (answer.length === 0) {
          expect(OPERATIONS[code]?.silent).toBe(true);
          return;
        }
        expect(answer.readUInt32LE(0)).toBe(answer.length);
        const error = answer.readInt32LE(4);
        expect(error <= 0 && error > -512).toBe(true);
        if (error !== 0) expect(answer.length).toBe(16);
      }),
      { numRuns: RUNS },
    );
    expect(wire.faults).toEqual([]);
  });
});
