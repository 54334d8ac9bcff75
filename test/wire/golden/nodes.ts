// Requests on nodes: finding and forgetting them, and their attributes.

import { attrOut, entryOut, le32, le64, reply, request, text } from '../wire.js';
import type { Golden } from './golden.js';

export const NODES: readonly Golden[] = [
  {
    name: 'LOOKUP of a name that exists',
    request: request(1, 1, text('file')),
    asks: ['lookup 1 file'],
    reply: reply(entryOut(7)),
  },
  {
    name: 'LOOKUP of a name that does not exist is an entry without a node that may be kept',
    request: request(1, 1, text('none')),
    asks: ['lookup 1 none'],
    reply: reply(`${le64(0)} ${le64(0)} ${le64(0x7fffffff)} ${'00'.repeat(104)}`),
  },
  {
    name: 'LOOKUP of a name that is not UTF-8',
    request: request(1, 1, 'ff fe 00'),
    asks: ['lookup 1 \xff\xfe'],
    reply: reply(`${le64(0)} ${le64(0)} ${le64(0x7fffffff)} ${'00'.repeat(104)}`),
  },
  {
    name: 'LOOKUP of a device with a large number, and a file with a large size and a time before 1970',
    given: ({ attr }) => {
      attr.mode = 0o060600;
      attr.rdev = 0x10010300;
      attr.size = Number.MAX_SAFE_INTEGER;
      attr.atimeSec = -2147483648;
      attr.atimeNsec = 999_999_999;
    },
    request: request(1, 1, text('file')),
    asks: ['lookup 1 file'],
    reply: reply(`
      ${le64(7)} ${le64(3)} ffffff7f00000000 ffffff7f00000000 00000000 00000000
      0200000001000000 ffffffffffff1f00 1000000000000000
      00000080ffffffff fdffffffffffffff 0500000001000000
      ffc99a3b 04000000 06000000
      80610000 02000000 e8030000 64000000
      00030110             # rdev 259:65536
      00100000 00000000`),
  },
  { name: 'FORGET', request: request(2, 7, le64(3)), asks: ['forget 7 3'], reply: '' },
  {
    name: 'FORGET of a node beyond 32 bits',
    request: request(2, 0x1_0000_0007, le64(0x1_0000_0000)),
    asks: ['forget 4294967303 4294967296'],
    reply: '',
  },
  {
    name: 'BATCH_FORGET',
    request: request(42, 0, `${le32(2)} 00000000 ${le64(7)} ${le64(1)} ${le64(8)} ${le64(5)}`),
    asks: ['forget 7 1', 'forget 8 5'],
    reply: '',
  },
  { name: 'BATCH_FORGET of none', request: request(42, 0, '0000000000000000'), asks: [], reply: '' },
  {
    name: 'GETATTR',
    request: request(3, 7, '00000000 00000000 0000000000000000'),
    asks: ['getattr 7'],
    reply: reply(attrOut()),
  },
  {
    name: 'GETATTR of an open file',
    request: request(3, 7, `01000000 00000000 ${le64(57)}`),
    asks: ['getattr 7'],
    reply: reply(attrOut()),
  },
  {
    name: 'STATX with the time of birth',
    request: request(52, 7, '00'.repeat(24)),
    asks: ['getattr 7'],
    reply: reply(`
      ffffff7f00000000 00000000 00000000 ${'00'.repeat(16)}
      ff0f0000 00100000 ${le64(0)}           # mask, blksize, attributes
      02000000 e8030000 64000000 a4810000    # nlink, uid, gid, mode
      0200000001000000 8813000000000000 1000000000000000 ${le64(0)}
      ${le64(1)} 02000000 00000000           # atime
      ${le64(7)} 08000000 00000000           # btime
      0500000001000000 06000000 00000000     # ctime
      ${le64(-3)} 04000000 00000000          # mtime
      ${'00'.repeat(16)} ${'00'.repeat(112)}`),
  },
  {
    name: 'STATX of an open device that has no time of birth',
    given: ({ attr }) => {
      attr.mode = 0o020666;
      attr.rdev = 0x10010300;
      attr.btimeSec = 0;
      attr.btimeNsec = 0;
    },
    request: request(52, 7, `01000000 00000000 ${le64(57)} 00000000 ff0f0000`),
    asks: ['getattr 7'],
    reply: reply(`
      ffffff7f00000000 00000000 00000000 ${'00'.repeat(16)}
      ff070000 00100000 ${le64(0)}           # mask without BTIME
      02000000 e8030000 64000000 b6210000
      0200000001000000 8813000000000000 1000000000000000 ${le64(0)}
      ${le64(1)} 02000000 00000000 ${'00'.repeat(16)}
      0500000001000000 06000000 00000000 ${le64(-3)} 04000000 00000000
      03010000 00000100                      # rdev_major 259, rdev_minor 65536
      ${'00'.repeat(8)} ${'00'.repeat(112)}`),
  },
  {
    name: 'SETATTR of all that chmod, chown, truncate and utimensat set',
    request: request(
      4,
      7,
      `${le32(0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40)} 00000000
       ${le64(55)}                 # fh
       ${le64(0x1_0000_0000)}      # size
       ${le64(0)}                  # lock_owner
       ${le64(-1)} ${le64(2)} ${le64(0)}
       ${le32(3)} ${le32(4)} ${le32(0)}
       ${le32(0o104755)} 00000000 ${le32(1)} ${le32(2)} 00000000`,
    ),
    asks: [
      'setattr 7 {mode:2541,uid:1,gid:2,size:4294967296,atime:{sec:-1,nsec:3},mtime:{sec:2,nsec:4}} 1000 55',
    ],
    reply: reply(attrOut()),
  },
  {
    name: 'SETATTR to the present time',
    request: request(4, 7, `${le32(0x10 | 0x20 | 0x80 | 0x100)} ${'00'.repeat(84)}`),
    asks: ['setattr 7 {atime:now,mtime:now} 1000 by-node'],
    reply: reply(attrOut()),
  },
  {
    name: 'SETATTR to the present time with the time of the kernel beside it',
    request: request(
      4,
      7,
      `${le32(0x1b0)} 00000000 ${'00'.repeat(24)}
       ${le64(1700000000)} ${le64(1700000000)} ${le64(0)} ${le32(5)} ${le32(5)} ${'00'.repeat(24)}`,
    ),
    asks: ['setattr 7 {atime:now,mtime:now} 1000 by-node'],
    reply: reply(attrOut()),
  },
  {
    name: 'SETATTR of truncate(2), with the owner of locks',
    request: request(
      4,
      7,
      `${le32(0x208)} 00000000 ${le64(0)} ${le64(10)} ${le64(0x1122334455667788n)} ${'00'.repeat(48)}
       ${'00'.repeat(8)}`,
    ),
    asks: ['setattr 7 {size:10} 1000 by-node'],
    reply: reply(attrOut()),
  },
  {
    name: 'SETATTR of ftruncate(2)',
    request: request(
      4,
      7,
      `${le32(0x248)} 00000000 ${le64(57)} ${le64(0)} ${le64(0x1122334455667788n)} ${'00'.repeat(56)}`,
    ),
    asks: ['setattr 7 {size:0} 1000 57'],
    reply: reply(attrOut()),
  },
  {
    name: 'SETATTR of the owner with KILL_SUIDGID',
    request: request(4, 7, `${le32(0x806)} 00000000 ${'00'.repeat(68)} ${le32(5)} ${le32(6)} 00000000`, {
      uid: 0,
    }),
    asks: ['setattr 7 {uid:5,gid:6,killPrivileges:true} 0 by-node'],
    reply: reply(attrOut()),
  },
  {
    name: 'SETATTR of the times that the kernel kept with the data: mtime, and a ctime that nobody can set',
    request: request(
      4,
      7,
      `${le32(0x420)} 00000000 ${'00'.repeat(32)} ${le64(9)} ${le64(9)} 00000000 ${le32(8)} ${le32(8)}
       ${'00'.repeat(20)}`,
    ),
    asks: ['setattr 7 {mtime:{sec:9,nsec:8}} 1000 by-node'],
    reply: reply(attrOut()),
  },
  {
    name: 'SETATTR of nothing, before a write that clears set-id bits',
    request: request(4, 7, '00'.repeat(88)),
    asks: ['setattr 7 {killPrivileges:true} 1000 by-node'],
    reply: reply(attrOut()),
  },
  {
    name: 'SETATTR of nothing by root clears nothing',
    request: request(4, 7, '00'.repeat(88), { uid: 0 }),
    asks: ['setattr 7 {} 0 by-node'],
    reply: reply(attrOut()),
  },
  {
    name: 'SETATTR of the size with KILL_SUIDGID',
    request: request(4, 7, `${le32(0x8 | 0x800)} ${'00'.repeat(84)}`),
    asks: ['setattr 7 {size:0,killPrivileges:true} 1000 by-node'],
    reply: reply(attrOut()),
  },
  { name: 'READLINK', request: request(5, 7, ''), asks: ['readlink 7'], reply: reply('7468657265') },
  {
    name: 'STATFS',
    request: request(17, 1, ''),
    asks: ['statfs 1'],
    reply: reply(
      `${[9, 8, 7, 6, 5].map(le64).join('')} 00100000 ff000000 00020000 00000000 ${'00'.repeat(24)}`,
    ),
  },
];
