// Requests on extended attributes.

import { failure, hex, reply, request, text } from '../wire.js';
import type { Golden } from './golden.js';

const ACL = '02000000 01000600ffffffff 04000400ffffffff 20000400ffffffff';

export const XATTRS: readonly Golden[] = [
  {
    name: 'SETXATTR with the extension',
    request: request(21, 7, `02000000 01000000 01000000 00000000 ${text('user.x')} 00ff`),
    asks: ['setxattr 7 user.x <\u0000\xff> 1 true'],
    reply: reply(''),
  },
  {
    name: 'SETXATTR of an empty value that must be there',
    request: request(21, 7, `00000000 02000000 00000000 00000000 ${text('user.x')}`),
    asks: ['setxattr 7 user.x <> 2 false'],
    reply: reply(''),
  },
  {
    name: 'SETXATTR of an access ACL, whose bytes are passed on',
    request: request(
      21,
      7,
      `1c000000 00000000 00000000 00000000 ${text('system.posix_acl_access')}
       ${ACL}`,
    ),
    asks: [`setxattr 7 system.posix_acl_access <${Buffer.from(hex(ACL)).toString('latin1')}> 0 false`],
    reply: reply(''),
  },
  {
    name: 'GETXATTR',
    request: request(22, 7, `10000000 00000000 ${text('user.a')}`),
    asks: ['getxattr 7 user.a'],
    reply: reply('010203'),
  },
  {
    name: 'GETXATTR of the size',
    request: request(22, 7, `00000000 00000000 ${text('user.a')}`),
    asks: ['getxattr 7 user.a'],
    reply: reply('0300000000000000'),
  },
  {
    name: 'GETXATTR of an empty value',
    given: ({ xattrs }) => xattrs.set('user.void', Uint8Array.of()),
    request: request(22, 7, `10000000 00000000 ${text('user.void')}`),
    asks: ['getxattr 7 user.void'],
    reply: reply(''),
  },
  {
    name: 'GETXATTR into too little room is ERANGE',
    request: request(22, 7, `02000000 00000000 ${text('user.a')}`),
    asks: ['getxattr 7 user.a'],
    reply: failure(34),
  },
  {
    name: 'GETXATTR of what is not there is ENODATA',
    request: request(22, 7, `00000000 00000000 ${text('security.capability')}`),
    asks: ['getxattr 7 security.capability'],
    reply: failure(61),
  },
  {
    name: 'LISTXATTR',
    request: request(23, 7, '00010000 00000000'),
    asks: ['listxattr 7'],
    reply: reply(text('user.a')),
  },
  {
    name: 'LISTXATTR of the size',
    request: request(23, 7, '00000000 00000000'),
    asks: ['listxattr 7'],
    reply: reply('0700000000000000'),
  },
  {
    name: 'LISTXATTR into too little room is ERANGE',
    request: request(23, 7, '06000000 00000000'),
    asks: ['listxattr 7'],
    reply: failure(34),
  },
  {
    name: 'LISTXATTR of nothing',
    given: ({ xattrs }) => xattrs.clear(),
    request: request(23, 7, '00010000 00000000'),
    asks: ['listxattr 7'],
    reply: reply(''),
  },
  {
    name: 'LISTXATTR of a user, to whom trusted attributes are not shown',
    given: ({ xattrs }) => xattrs.set('trusted.t', Uint8Array.of()),
    request: request(23, 7, '00010000 00000000'),
    asks: ['listxattr 7'],
    reply: reply(text('user.a')),
  },
  {
    name: 'LISTXATTR of root',
    given: ({ xattrs }) => xattrs.set('trusted.t', Uint8Array.of()),
    request: request(23, 7, '00010000 00000000', { uid: 0 }),
    asks: ['listxattr 7'],
    reply: reply(text('user.a') + text('trusted.t')),
  },
  {
    name: 'REMOVEXATTR',
    request: request(24, 7, text('user.a')),
    asks: ['removexattr 7 user.a'],
    reply: reply(''),
  },
];
