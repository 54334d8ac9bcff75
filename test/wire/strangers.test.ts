// Requests that are well formed and make no sense, put to a real union: nodes and handles that nobody gave out, the
// wrong kind of both, numbers that no caller can mean. Each gets its errno, and the union serves on.

import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { Dispatcher, type Fault } from '../../fs/fuse/dispatch.js';
import { OPERATIONS } from '../../fs/fuse/operations.js';
import { MemLayer } from '../../fs/layer/mem-layer.js';
import { Union } from '../../fs/union/union.js';
import { runs } from '../runs.js';
import { fillWithStartingTree } from '../suites/filesystem.js';
import { failure, INIT, INIT_ASKING, le32, le64, request, text } from './wire.js';

const [EPERM, ENOENT, ENXIO, EBADF, EEXIST, ENOTDIR, EISDIR, EINVAL] = [1, 2, 6, 9, 17, 20, 21, 22] as const;
const [EFBIG, EOPNOTSUPP, ESTALE] = [27, 95, 116] as const;
const NOBODY = 4711;
const NEGATIVE = 'ffffffffffffffff';

let union: Union;
let faults: Fault[];
let dispatcher: Dispatcher;
let file: number;
let folder: number;
let symlink: number;

function send(bytes: Uint8Array): Buffer {
  dispatcher.requestBytes.set(bytes);
  const length = dispatcher.dispatch(bytes.length);
  return Buffer.from(dispatcher.replyBytes.subarray(0, length));
}

function answerTo(bytes: Uint8Array): string {
  return send(bytes).toString('hex');
}

function nodeOf(name: string): number {
  return Number(send(request(1, 1, text(name))).readBigUInt64LE(16));
}

/** The handle in the reply to OPEN (14) or OPENDIR (27). */
function opened(opcode: number, node: number, flags: number): number {
  return Number(send(request(opcode, node, `${le32(flags)} 00000000`)).readBigUInt64LE(16));
}

function begin(init: Uint8Array): void {
  const lower = new MemLayer({ id: 'lower', device: 'one' });
  fillWithStartingTree(lower);
  union = new Union({ lowers: [lower], upper: new MemLayer({ id: 'upper', device: 'two' }) });
  faults = [];
  dispatcher = new Dispatcher(union, (fault) => faults.push(fault));
  send(init);
  file = nodeOf('file');
  folder = nodeOf('folder');
  symlink = nodeOf('symlink');
}

beforeEach(() => begin(INIT_ASKING));

const io = (handle: number, offset: string, size: number, data = '') =>
  `${le64(handle)} ${offset} ${le32(size)} ${'00'.repeat(20)} ${data}`;
const NONE = le64(0);

describe('a node that nobody gave out', () => {
  it.each(Object.entries(OPERATIONS).filter(([code, { silent }]) => silent !== true && code !== '26'))(
    'opcode %s fails or needs no node',
    (code, { body, name }) => {
      const bytes = '00'.repeat(Math.max(0, body - 4)) + text('a') + text('b');
      const nodeless = ['destroy', 'statfs', 'syncfs'].includes(name);
      const answer = send(request(Number(code), NOBODY, bytes.padEnd(2 * body, '0')));
      const error = answer.readInt32LE(4);
      expect(nodeless ? error : error < 0).toBe(nodeless ? 0 : true);
      expect(faults).toEqual([]);
    },
  );

  it.each([
    ['LOOKUP', () => request(1, NOBODY, text('a'))],
    ['GETATTR', () => request(3, NOBODY, '00'.repeat(16))],
    ['SETATTR', () => request(4, NOBODY, `01000000 ${'00'.repeat(84)}`)],
    ['READLINK', () => request(5, NOBODY, '')],
    ['OPEN', () => request(14, NOBODY, '00'.repeat(8))],
    ['OPENDIR', () => request(27, NOBODY, '00'.repeat(8))],
    ['LINK of it', () => request(13, 1, le64(NOBODY) + text('a'))],
    ['RENAME into it', () => request(12, 1, le64(NOBODY) + text('file') + text('a'))],
    ['GETXATTR', () => request(22, NOBODY, '00'.repeat(8) + text('user.a'))],
    ['node 0', () => request(3, 0, '00'.repeat(16))],
  ])('%s is ESTALE', (_, bytes) => {
    expect(answerTo(bytes())).toBe(failure(ESTALE));
  });
});

describe('FORGET', () => {
  it('of more lookups than there were forgets the node and nothing else', () => {
    expect(answerTo(request(2, file, le64(1_000_000)))).toBe('');
    expect(answerTo(request(3, file, '00'.repeat(16)))).toBe(failure(ESTALE));
    expect(answerTo(request(2, file, le64(1)))).toBe('');
    expect(nodeOf('file')).not.toBe(file);
    expect(nodeOf('folder')).toBe(folder);
  });

  it('of the root, of nobody, of more than a number holds and of a cut batch is silent', () => {
    for (const node of [1, 0, NOBODY]) expect(answerTo(request(2, node, le64(9)))).toBe('');
    expect(answerTo(request(2, folder, NEGATIVE))).toBe('');
    expect(answerTo(request(42, 0, `05000000 00000000 ${le64(file)} ${le64(1)} ${le64(folder)}`))).toBe('');
    expect(send(request(3, 1, '00'.repeat(16))).readInt32LE(4)).toBe(0);
    expect(answerTo(request(3, file, '00'.repeat(16)))).toBe(failure(ESTALE));
    expect(nodeOf('folder')).toBe(folder);
  });

  it('of an open file leaves the handle alone', () => {
    const handle = opened(14, file, 0);
    send(request(2, file, le64(99)));
    expect(
      send(request(15, file, io(handle, NONE, 5)))
        .subarray(16)
        .toString(),
    ).toBe('lower');
  });
});

describe('the wrong kind of node', () => {
  it.each([
    ['LOOKUP in a file', () => request(1, file, text('a')), ENOTDIR],
    ['MKDIR in a file', () => request(9, file, '00'.repeat(8) + text('a')), ENOTDIR],
    ['OPENDIR of a file', () => request(27, file, '00'.repeat(8)), ENOTDIR],
    ['OPEN of a folder', () => request(14, folder, '00'.repeat(8)), EISDIR],
    ['OPEN of a symlink', () => request(14, symlink, '00'.repeat(8)), EINVAL],
    ['READLINK of a file', () => request(5, file, ''), EINVAL],
    ['UNLINK of a folder', () => request(10, 1, text('folder')), EISDIR],
    ['RMDIR of a file', () => request(11, 1, text('file')), ENOTDIR],
    ['LINK of a folder', () => request(13, 1, le64(folder) + text('a')), EPERM],
    ['SETATTR of the size of a folder', () => request(4, folder, `08000000 ${'00'.repeat(84)}`), EISDIR],
    ['SETATTR of the size of a symlink', () => request(4, symlink, `08000000 ${'00'.repeat(84)}`), EINVAL],
    [
      'RENAME of a folder into itself',
      () => request(12, 1, le64(folder) + text('folder') + text('a')),
      EINVAL,
    ],
    ['RENAME of nothing', () => request(12, 1, le64(folder) + text('none') + text('a')), ENOENT],
  ] as const)('%s', (_, bytes, errno) => {
    expect(answerTo(bytes())).toBe(failure(errno));
  });
});

describe('a handle', () => {
  it.each([
    ['READ', () => request(15, file, io(NOBODY, NONE, 5))],
    ['WRITE', () => request(16, file, io(NOBODY, NONE, 1, '61'))],
    ['READDIR', () => request(28, folder, io(NOBODY, NONE, 4096))],
    ['READDIRPLUS', () => request(44, folder, io(NOBODY, NONE, 4096))],
    ['RELEASE', () => request(18, file, le64(NOBODY) + '00'.repeat(16))],
    ['RELEASEDIR', () => request(29, folder, le64(NOBODY) + '00'.repeat(16))],
    ['FSYNC', () => request(20, file, le64(NOBODY) + '00'.repeat(8))],
    ['FSYNCDIR', () => request(30, folder, le64(NOBODY) + '00'.repeat(8))],
    ['LSEEK', () => request(46, file, `${le64(NOBODY)} ${NONE} 03000000 00000000`)],
    ['FALLOCATE', () => request(43, file, `${le64(NOBODY)} ${NONE} ${le64(1)} ${NONE}`)],
    ['COPY_FILE_RANGE_64', () => request(53, file, `${le64(NOBODY)} ${'00'.repeat(48)}`)],
    ['READ of a folder', () => request(15, folder, io(opened(27, folder, 0), NONE, 5))],
    ['READDIR of a file', () => request(28, file, io(opened(14, file, 0), NONE, 4096))],
    ['WRITE of a reader', () => request(16, file, io(opened(14, file, 0), NONE, 1, '61'))],
    [
      'FALLOCATE of a reader',
      () => request(43, file, `${le64(opened(14, file, 0))} ${NONE} ${le64(1)} ${NONE}`),
    ],
  ])('that nobody gave out, or of another kind: %s is EBADF', (_, bytes) => {
    expect(answerTo(bytes())).toBe(failure(EBADF));
  });

  it('is released once', () => {
    const release = request(18, file, le64(opened(14, file, 0)) + '00'.repeat(16));
    expect(send(release).readInt32LE(4)).toBe(0);
    expect(answerTo(release)).toBe(failure(EBADF));
  });
});

describe('a number that no caller can mean', () => {
  const writer = () => opened(14, file, 2);
  it.each([
    ['READ before the beginning', () => request(15, file, io(writer(), NEGATIVE, 5)), EINVAL],
    ['WRITE before the beginning', () => request(16, file, io(writer(), NEGATIVE, 1, '61')), EINVAL],
    ['WRITE beyond 2^53', () => request(16, file, io(writer(), 'ffffffffffffff7f', 1, '61')), EFBIG],
    [
      'SETATTR of a negative size',
      () => request(4, file, `08000000 00000000 ${NONE} ${NEGATIVE} ${'00'.repeat(64)}`),
      EINVAL,
    ],
    [
      'SETATTR of a second of more than 999,999,999 ns',
      () => request(4, file, `20000000 ${'00'.repeat(56)} 00ca9a3b ${'00'.repeat(24)}`),
      EINVAL,
    ],
    [
      'SETATTR of a second whose ns mean the present',
      () => request(4, file, `20000000 ${'00'.repeat(56)} ffffff3f ${'00'.repeat(24)}`),
      EINVAL,
    ],
    [
      'LSEEK before the beginning',
      () => request(46, file, `${le64(writer())} ${NEGATIVE} 03000000 00000000`),
      ENXIO,
    ],
    [
      'LSEEK beyond 2^53',
      () => request(46, file, `${le64(writer())} ffffffffffffff7f 04000000 00000000`),
      ENXIO,
    ],
    ['LSEEK to the end', () => request(46, file, `${le64(writer())} ${NONE} 02000000 00000000`), EINVAL],
    ['FALLOCATE of nothing', () => request(43, file, `${le64(writer())} ${NONE} ${NONE} ${NONE}`), EINVAL],
    [
      'FALLOCATE of a negative length',
      () => request(43, file, `${le64(writer())} ${NONE} ${NEGATIVE} ${NONE}`),
      EINVAL,
    ],
    [
      'FALLOCATE that collapses',
      () => request(43, file, `${le64(writer())} ${NONE} ${le64(1)} 08000000 00000000`),
      EOPNOTSUPP,
    ],
    [
      'COPY_FILE_RANGE_64 from before the beginning',
      () =>
        request(
          53,
          file,
          `${le64(writer())} ${NEGATIVE} ${le64(file)} ${le64(writer())} ${NONE} ${le64(1)} ${NONE}`,
        ),
      EINVAL,
    ],
    [
      'READDIR with no room for an entry',
      () => request(28, folder, io(opened(27, folder, 0), NONE, 8)),
      EINVAL,
    ],
    [
      'READDIRPLUS with no room for an entry',
      () => request(44, folder, io(opened(27, folder, 0), NONE, 24)),
      EINVAL,
    ],
    [
      'RENAME2 that exchanges and must not replace',
      () => request(45, 1, `${le64(1)} 03000000 00000000 ${text('file')} ${text('symlink')}`),
      EINVAL,
    ],
    [
      'SETXATTR with flags of nobody',
      () => request(21, file, `01000000 04000000 ${NONE} ${text('user.a')} 61`),
      EINVAL,
    ],
    [
      'SETXATTR of an ACL that is none',
      () => request(21, file, `03000000 00000000 ${NONE} ${text('system.posix_acl_access')} 616263`),
      EINVAL,
    ],
    ...[0, 0o040000, 0o120000, 0o030000, 0o170000].map(
      (type) =>
        [
          `MKNOD of the type ${type.toString(8)}`,
          () => request(8, 1, `${le32(type | 0o644)} ${'00'.repeat(12)} ${text('new')}`),
          EINVAL,
        ] as const,
    ),
    [
      'MKNOD of the device 0:0',
      () => request(8, 1, `${le32(0o020644)} ${'00'.repeat(12)} ${text('new')}`),
      EPERM,
    ],
    [
      'MKNOD of a name that is there',
      () => request(8, 1, `${le32(0o100644)} ${'00'.repeat(12)} ${text('file')}`),
      EEXIST,
    ],
  ] as const)('%s', (_, bytes, errno) => {
    expect(answerTo(bytes())).toBe(failure(errno));
    expect(faults).toEqual([]);
  });
});

describe('any numbers', () => {
  const opcode = fc.constantFrom(
    ...Object.keys(OPERATIONS)
      .map(Number)
      .filter((code) => code !== 26),
  );
  const number = fc.oneof(
    fc.integer({ min: 0, max: 9 }).map(BigInt),
    fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
    fc.constantFrom(0x7fff_ffffn, 0x8000_0000n, 1n << 53n, (1n << 63n) - 1n, 0xffff_ffff_0000_0000n, 4096n),
  );
  const body = fc.array(number, { maxLength: 11 });
  const name = fc.constantFrom(
    '',
    'file',
    'folder',
    'symlink',
    'new',
    'a',
    'user.note',
    'system.posix_acl_default',
  );
  const step = fc.tuple(opcode, fc.integer({ min: 0, max: 9 }), body, name, name);

  it.each([
    ['opens asked for', INIT_ASKING],
    ['opens unasked', INIT],
  ])('in any order get an answer each, and no fault (%s)', (_, init) => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
        begin(init);
        for (const [code, node, numbers, one, two] of steps) {
          const answer = send(request(code, node, numbers.map(le64).join('') + text(one) + text(two)));
          if (OPERATIONS[code]!.silent === true) expect(answer.length).toBe(0);
          else expect(answer.readUInt32LE(0)).toBe(answer.length);
        }
        expect(faults).toEqual([]);
        union.destroy();
      }),
      { numRuns: runs(100) },
    );
  });
});
