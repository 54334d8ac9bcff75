// Requests on regular files and their data.

import { entryOut, le32, le64, openOut, reply, request, text } from '../wire.js';
import { CALLER, type Golden, UMASK } from './golden.js';

export const FILES: readonly Golden[] = [
  {
    name: 'OPEN, without O_APPEND, which the kernel does itself',
    request: request(14, 7, `${le32(0o103002)} 00000000`),
    asks: ['open 7 1002'],
    reply: reply(openOut(57, 2)),
  },
  {
    name: 'OPEN for execution',
    request: request(14, 7, `${le32(0o100040)} 00000000`),
    asks: ['open 7 0'],
    reply: reply(openOut(57, 2)),
  },
  {
    name: 'OPEN with O_DIRECT, which asks for nothing else',
    request: request(14, 7, `${le32(0o140002)} 00000000`),
    asks: ['open 7 2'],
    reply: reply(openOut(57, 2)),
  },
  {
    name: 'OPEN that truncates and clears set-id bits',
    request: request(14, 7, `${le32(0o1001)} 01000000`),
    asks: ['open 7 1001', 'setattr 7 {killPrivileges:true} 1000 57'],
    reply: reply(openOut(57, 2)),
  },
  {
    name: 'CREATE',
    request: request(35, 1, `${le32(0o100302)} ${le32(0o100640)} ${UMASK} 00000000 ${text('new')}`),
    asks: [`create 1 new 100640 202 ${CALLER}`],
    reply: reply(`${entryOut(8)} ${openOut(55, 2)}`),
  },
  {
    name: 'CREATE with a security context behind the name',
    request: request(
      35,
      1,
      `${le32(0o100101)} ${le32(0o100600)} 3f000000 00000000 ${text('new')} 08000000 00000000`,
      { extensions: 1 },
    ),
    asks: ['create 1 new 100600 1 {uid:1000,gid:100,pid:99,umask:63}'],
    reply: reply(`${entryOut(8)} ${openOut(55, 2)}`),
  },
  {
    name: 'TMPFILE, whose name is a slash',
    request: request(51, 1, `${le32(0o20200002)} ${le32(0o100600)} ${UMASK} 00000000 ${text('/')}`),
    asks: [`tmpfile 1 100600 2 ${CALLER}`],
    reply: reply(`${entryOut(8)} ${openOut(56, 2)}`),
  },
  {
    name: 'READ',
    request: request(15, 7, `${le64(57)} ${le64(4096)} ${le32(8192)} ${'00'.repeat(20)}`),
    asks: ['read 57 4096 8192'],
    reply: reply('64617461'),
  },
  {
    name: 'READ of a direct reader, with the owner of locks',
    request: request(
      15,
      7,
      `${le64(57)} ${le64(3)} ${le32(5)} 02000000 ${le64(0x1122334455667788n)} ${le32(0o140000)} 00000000`,
    ),
    asks: ['read 57 3 5'],
    reply: reply('64617461'),
  },
  {
    name: 'READ beyond what a number holds, where there is nothing',
    request: request(15, 7, `${le64(57)} ffffffffffffff7f ${le32(4096)} ${'00'.repeat(20)}`),
    asks: ['read 57 9007199254740991 4096'],
    reply: reply('64617461'),
  },
  {
    name: 'WRITE',
    request: request(16, 7, `${le64(57)} ${le64(10)} 03000000 ${'00'.repeat(20)} 616263`),
    asks: ['write 57 10 <abc> false'],
    reply: reply('0300000000000000'),
  },
  {
    name: 'WRITE with KILL_SUIDGID',
    request: request(16, 7, `${le64(57)} ${le64(0)} 01000000 04000000 ${'00'.repeat(16)} 61`),
    asks: ['write 57 0 <a> true'],
    reply: reply('0100000000000000'),
  },
  {
    name: "WRITE of pages that the kernel kept, in nobody's name",
    request: request(16, 7, `${le64(57)} ${le64(4096)} 01000000 01000000 ${'00'.repeat(16)} 61`, {
      uid: 0,
      gid: 0,
      pid: 0,
    }),
    asks: ['write mapped 57 4096 <a>'],
    reply: reply('0100000000000000'),
  },
  {
    name: 'WRITE of pages with KILL_SUIDGID',
    request: request(16, 7, `${le64(57)} ${le64(0)} 01000000 05000000 ${'00'.repeat(16)} 61`),
    asks: ['write 57 0 <a> true'],
    reply: reply('0100000000000000'),
  },
  {
    name: 'WRITE of a direct writer, with the owner of locks',
    request: request(
      16,
      7,
      `${le64(57)} ${le64(1)} 01000000 02000000 ${le64(0x1122334455667788n)} ${le32(0o140001)} 00000000 61`,
    ),
    asks: ['write 57 1 <a> false'],
    reply: reply('0100000000000000'),
  },
  {
    name: 'WRITE of nothing',
    request: request(16, 7, `${le64(57)} ${le64(0)} 00000000 ${'00'.repeat(20)}`),
    asks: ['write 57 0 <> false'],
    reply: reply('0000000000000000'),
  },
  {
    name: 'RELEASE',
    request: request(18, 7, `${le64(57)} ${'00'.repeat(16)}`),
    asks: ['release 57'],
    reply: reply(''),
  },
  {
    name: "RELEASE in nobody's name that unlocks flock(2)",
    request: request(18, 7, `${le64(57)} ${le32(0o100002)} 02000000 ${le64(0x1122334455667788n)}`, {
      uid: 0,
      gid: 0,
      pid: 0,
    }),
    asks: ['release 57'],
    reply: reply(''),
  },
  {
    name: 'FSYNC of data only',
    request: request(20, 7, `${le64(57)} 01000000 00000000`),
    asks: ['fsync 57 true'],
    reply: reply(''),
  },
  {
    name: 'FSYNC of everything',
    request: request(20, 7, `${le64(57)} 00000000 00000000`),
    asks: ['fsync 57 false'],
    reply: reply(''),
  },
  {
    name: 'LSEEK',
    request: request(46, 7, `${le64(57)} ${le64(1)} 03000000 00000000`),
    asks: ['lseek 57 1 3'],
    reply: reply('0010000000000000'),
  },
  {
    name: 'LSEEK to a hole from beyond what a number holds',
    request: request(46, 7, `${le64(57)} ffffffffffffff7f 04000000 00000000`),
    asks: ['lseek 57 9007199254740991 4'],
    reply: reply('0010000000000000'),
  },
  {
    name: 'LSEEK from before the beginning, which the filesystem judges',
    request: request(46, 7, `${le64(57)} ffffffffffffffff 03000000 00000000`),
    asks: ['lseek 57 -1 3'],
    reply: reply('0010000000000000'),
  },
  {
    name: 'FALLOCATE',
    request: request(43, 7, `${le64(57)} ${le64(1)} ${le64(2)} 03000000 00000000`),
    asks: ['fallocate 57 3 1 2'],
    reply: reply(''),
  },
  {
    name: 'COPY_FILE_RANGE, whose count has 32 bits',
    request: request(
      47,
      7,
      `${le64(57)} ${le64(1)} ${le64(8)} ${le64(59)} ${le64(2)} ${le64(4096)} ${le64(0)}`,
    ),
    asks: ['copy 57 1 59 2 4096'],
    reply: reply('4d00000000000000'),
  },
  {
    name: 'COPY_FILE_RANGE_64 of more than fits a number is cut to a piece',
    request: request(
      53,
      7,
      `${le64(57)} ${le64(1)} ${le64(8)} ${le64(59)} ${le64(2)} ffffffffffffff7f ${le64(0)}`,
    ),
    asks: [`copy 57 1 59 2 ${4 * 1024 * 1024}`],
    reply: reply('4d00000000000000'),
  },
  {
    name: 'FALLOCATE that keeps the size',
    request: request(43, 7, `${le64(57)} ${le64(0)} ${le64(0x1_0000_0000)} 01000000 00000000`),
    asks: ['fallocate 57 1 0 4294967296'],
    reply: reply(''),
  },
];
