// Requests on open folders.

import { entryOut, le32, le64, openOut, reply, request } from '../wire.js';
import type { Golden } from './golden.js';

export const FOLDERS: readonly Golden[] = [
  {
    name: 'OPENDIR',
    request: request(27, 7, `${le32(0o200000)} 00000000`),
    asks: ['opendir 7'],
    reply: reply(openOut(58, 0)),
  },
  {
    name: 'READDIR that ends at the size asked for',
    request: request(28, 7, `${le64(58)} ${le64(1)} ${le32(40)} ${'00'.repeat(20)}`),
    asks: ['readdir 58 1'],
    reply: reply(`
      ${le64(1)}
      0200000000000000         # go on at 2
      02000000 04000000        # two bytes, DT_DIR
      2e2e 000000000000`),
  },
  {
    name: 'READDIR of all there is',
    request: request(28, 1, `${le64(58)} ${le64(0)} ${le32(32768)} ${'00'.repeat(20)}`),
    asks: ['readdir 58 0'],
    reply: reply(`
      ${le64(1)} ${le64(1)} 01000000 04000000 2e 00000000000000
      ${le64(1)} ${le64(2)} 02000000 04000000 2e2e 000000000000
      ${le64(7)} ${le64(3)} 04000000 08000000 66696c65 00000000`),
  },
  {
    name: 'READDIR at the end',
    request: request(28, 1, `${le64(58)} ${le64(3)} ${le32(32768)} ${'00'.repeat(20)}`),
    asks: ['readdir 58 3'],
    reply: reply(''),
  },
  {
    name: 'READDIR from where no listing goes',
    request: request(28, 1, `${le64(58)} ffffffffffffff7f ${le32(32768)} ${'00'.repeat(20)}`),
    asks: ['readdir 58 9007199254740991'],
    reply: reply(''),
  },
  {
    name: 'READDIRPLUS, where . and .. have no node',
    request: request(44, 7, `${le64(58)} ${le64(1)} ${le32(4096)} ${'00'.repeat(20)}`),
    asks: ['readdirplus 58 1'],
    reply: reply(`
      ${'00'.repeat(128)}
      0200000001000000 0200000000000000 02000000 04000000 2e2e 000000000000
      ${entryOut(7)}
      0200000001000000 0300000000000000 04000000 08000000 66696c65 00000000`),
  },
  {
    name: 'RELEASEDIR',
    request: request(29, 7, `${le64(58)} ${'00'.repeat(16)}`),
    asks: ['releasedir 58'],
    reply: reply(''),
  },
  {
    name: 'FSYNCDIR',
    request: request(30, 7, `${le64(58)} 00000000 00000000`),
    asks: ['fsyncdir 58 false'],
    reply: reply(''),
  },
  {
    name: 'FSYNCDIR of data only',
    request: request(30, 7, `${le64(58)} 01000000 00000000`),
    asks: ['fsyncdir 58 true'],
    reply: reply(''),
  },
];
