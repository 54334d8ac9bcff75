// Requests that ask no node for anything, and those that the kernel is told to do without.

import { failure, le64, reply, request } from '../wire.js';
import type { Golden } from './golden.js';

export const OTHERS: readonly Golden[] = [
  { name: 'INTERRUPT, to which there is no answer', request: request(36, 0, le64(4)), asks: [], reply: '' },
  {
    name: 'NOTIFY_REPLY to what was never asked',
    request: request(41, 7, '00'.repeat(40)),
    asks: [],
    reply: '',
  },
  { name: 'DESTROY', request: request(38, 0, ''), asks: [], reply: reply('') },
  { name: 'SYNCFS', request: request(50, 1, '00'.repeat(8)), asks: ['sync'], reply: reply('') },
  {
    name: 'a request that is sent again comes with bit 63 of its number, and so does the answer',
    request: request(50, 1, '00'.repeat(8), { unique: 0x8000_0000_0000_0ab0n }),
    asks: ['sync'],
    reply: reply('', 0x8000_0000_0000_0ab0n),
  },
  {
    name: 'FLUSH is not wanted',
    request: request(25, 7, `${le64(57)} ${'00'.repeat(16)}`),
    asks: [],
    reply: failure(38),
  },
  {
    name: 'ACCESS is left to the kernel',
    request: request(34, 7, '04000000 00000000'),
    asks: [],
    reply: failure(38),
  },
  ...[31, 32, 33].map((opcode) => ({
    name: `${['GETLK', 'SETLK', 'SETLKW'][opcode - 31]} is left to the kernel`,
    request: request(opcode, 7, `${le64(57)} ${le64(1)} ${le64(0)} ${le64(9)} 01000000 63000000 ${le64(0)}`),
    asks: [],
    reply: failure(38),
  })),
  {
    name: 'BMAP is left to the kernel',
    request: request(37, 7, `${le64(1)} 00100000 00000000`),
    asks: [],
    reply: failure(38),
  },
  {
    name: 'POLL is left to the kernel',
    request: request(40, 7, `${le64(57)} ${le64(1)} 01000000 01000000`),
    asks: [],
    reply: failure(38),
  },
  {
    name: 'IOCTL FS_IOC_GETFLAGS is ENOTTY',
    request: request(39, 7, `${le64(57)} 00000000 01660880 ${le64(0)} 00000000 04000000`),
    asks: [],
    reply: failure(25),
  },
  {
    name: 'IOCTL of a folder with data is ENOTTY',
    request: request(39, 1, `${le64(58)} 10000000 02660840 ${le64(0)} 08000000 00000000 ${le64(7)}`),
    asks: [],
    reply: failure(25),
  },
  ...[0, 7, 19, 48, 49, 54, 4000, 4096, 0xffffffff].map((opcode) => ({
    name: `opcode ${opcode}, of which nothing is known, is ENOSYS`,
    request: request(opcode, 7, '00'.repeat(40)),
    asks: [],
    reply: failure(38),
  })),
];
