// Requests that make, move and remove names in folders.

import { entryOut, le32, le64, reply, request, text } from '../wire.js';
import { CALLER, type Golden, UMASK } from './golden.js';

export const NAMES: readonly Golden[] = [
  {
    name: 'MKNOD of a device 259:65536',
    request: request(8, 1, `${le32(0o60600)} 00030110 ${UMASK} 00000000 ${text('new')}`),
    asks: [`mknod 1 new 60600 ${0x10010300} ${CALLER}`],
    reply: reply(entryOut(8)),
  },
  {
    name: 'MKNOD of a fifo under a name of 255 bytes',
    request: request(8, 1, `${le32(0o010644)} 00000000 ${UMASK} 00000000 ${text('\xe9'.repeat(255))}`),
    asks: [`mknod 1 ${'\xe9'.repeat(255)} 10644 0 ${CALLER}`],
    reply: reply(entryOut(8)),
  },
  {
    name: 'MKNOD of a regular file, as where CREATE is unknown',
    request: request(8, 1, `${le32(0o100600)} 00000000 00000000 00000000 ${text('new')}`),
    asks: ['mknod 1 new 100600 0 {uid:1000,gid:100,pid:99,umask:0}'],
    reply: reply(entryOut(8)),
  },
  {
    name: 'MKDIR, whose mode comes without a type',
    request: request(9, 1, `${le32(0o755)} ${UMASK} ${text('new')}`),
    asks: [`mkdir 1 new 40755 ${CALLER}`],
    reply: reply(entryOut(8)),
  },
  {
    name: 'MKDIR with a security context and a supplementary group behind the name',
    request: request(
      9,
      1,
      `${le32(0o755)} ${UMASK} ${text('x')}
       08000000 00000000             # fuse_secctx_header: 8 bytes, none
       10000000 20000000 01000000 32000000`,
      { extensions: 3 },
    ),
    asks: [`mkdir 1 x 40755 ${CALLER}`],
    reply: reply(entryOut(8)),
  },
  {
    name: 'SYMLINK, name first',
    request: request(6, 1, text('new') + text('../target')),
    asks: ['symlink 1 new ../target 1000'],
    reply: reply(entryOut(8)),
  },
  {
    name: 'LINK, whose node is the new parent',
    request: request(13, 1, le64(7) + text('new')),
    asks: ['link 7 1 new'],
    reply: reply(entryOut(7)),
  },
  { name: 'UNLINK', request: request(10, 1, text('file')), asks: ['unlink 1 file'], reply: reply('') },
  { name: 'RMDIR', request: request(11, 1, text('dir')), asks: ['rmdir 1 dir'], reply: reply('') },
  {
    name: 'RENAME',
    request: request(12, 1, le64(9) + text('old') + text('new')),
    asks: ['rename 1 old 9 new 0'],
    reply: reply(''),
  },
  {
    name: 'RENAME2',
    request: request(45, 1, `${le64(9)} ${le32(2)} 00000000 ${text('old')} ${text('new')}`),
    asks: ['rename 1 old 9 new 2'],
    reply: reply(''),
  },
  {
    name: 'RENAME2 that must not replace',
    request: request(45, 1, `${le64(9)} ${le32(1)} 00000000 ${text('old')} ${text('new')}`),
    asks: ['rename 1 old 9 new 1'],
    reply: reply(''),
  },
  {
    name: 'RENAME2 that leaves a whiteout',
    request: request(45, 1, `${le64(1)} ${le32(4)} 00000000 ${text('old')} ${text('new')}`, { uid: 0 }),
    asks: ['rename 1 old 1 new 4'],
    reply: reply(''),
  },
];
