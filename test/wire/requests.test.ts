// Every request that Linux sends, as bytes, with the operation it becomes and the bytes of its reply.

import { describe, expect, it } from 'vitest';
import {
  ATTR,
  entryOut,
  failure,
  hex,
  INIT,
  le32,
  le64,
  openOut,
  reply,
  request,
  text,
  Wire,
} from './wire.js';

const CALLER = '{uid:1000,gid:100,pid:99,umask:18}';
const UMASK = '12000000';

interface Golden {
  readonly name: string;
  readonly request: Uint8Array;
  readonly asks: readonly string[];
  /** The reply; '' for none. */
  readonly reply: string;
}

const GOLDEN: readonly Golden[] = [
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
  { name: 'FORGET', request: request(2, 7, le64(3)), asks: ['forget 7 3'], reply: '' },
  {
    name: 'BATCH_FORGET',
    request: request(42, 0, `${le32(2)} 00000000 ${le64(7)} ${le64(1)} ${le64(8)} ${le64(5)}`),
    asks: ['forget 7 1', 'forget 8 5'],
    reply: '',
  },
  {
    name: 'GETATTR',
    request: request(3, 7, '00000000 00000000 0000000000000000'),
    asks: ['getattr 7'],
    reply: reply(`ffffff7f00000000 00000000 00000000 ${ATTR}`),
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
    reply: reply(`ffffff7f00000000 00000000 00000000 ${ATTR}`),
  },
  {
    name: 'SETATTR to the present time',
    request: request(4, 7, `${le32(0x10 | 0x20 | 0x80 | 0x100)} ${'00'.repeat(84)}`),
    asks: ['setattr 7 {atime:now,mtime:now} 1000 by-node'],
    reply: reply(`ffffff7f00000000 00000000 00000000 ${ATTR}`),
  },
  {
    name: 'SETATTR of nothing, before a write that clears set-id bits',
    request: request(4, 7, '00'.repeat(88)),
    asks: ['setattr 7 {killPrivileges:true} 1000 by-node'],
    reply: reply(`ffffff7f00000000 00000000 00000000 ${ATTR}`),
  },
  {
    name: 'SETATTR of nothing by root clears nothing',
    request: request(4, 7, '00'.repeat(88), 0),
    asks: ['setattr 7 {} 0 by-node'],
    reply: reply(`ffffff7f00000000 00000000 00000000 ${ATTR}`),
  },
  {
    name: 'SETATTR of the size with KILL_SUIDGID',
    request: request(4, 7, `${le32(0x8 | 0x800)} ${'00'.repeat(84)}`),
    asks: ['setattr 7 {size:0,killPrivileges:true} 1000 by-node'],
    reply: reply(`ffffff7f00000000 00000000 00000000 ${ATTR}`),
  },
  { name: 'READLINK', request: request(5, 7, ''), asks: ['readlink 7'], reply: reply('7468657265') },
  {
    name: 'SYMLINK, name first',
    request: request(6, 1, text('new') + text('../target')),
    asks: ['symlink 1 new ../target 1000'],
    reply: reply(entryOut(8)),
  },
  {
    name: 'MKNOD of a device 259:65536',
    request: request(8, 1, `${le32(0o60600)} 00030110 ${UMASK} 00000000 ${text('new')}`),
    asks: [`mknod 1 new 60600 ${0x10010300} ${CALLER}`],
    reply: reply(entryOut(8)),
  },
  {
    name: 'MKDIR, whose mode comes without a type',
    request: request(9, 1, `${le32(0o755)} ${UMASK} ${text('new')}`),
    asks: [`mkdir 1 new 40755 ${CALLER}`],
    reply: reply(entryOut(8)),
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
    name: 'LINK, whose node is the new parent',
    request: request(13, 1, le64(7) + text('new')),
    asks: ['link 7 1 new'],
    reply: reply(entryOut(7)),
  },
  {
    name: 'OPEN, without O_APPEND, which the kernel does itself',
    request: request(14, 7, `${le32(0o103002)} 00000000`),
    asks: ['open 7 1002'],
    reply: reply(openOut(57, 2)),
  },
  {
    name: 'OPEN that truncates and clears set-id bits',
    request: request(14, 7, `${le32(0o1001)} 01000000`),
    asks: ['open 7 1001', 'setattr 7 {killPrivileges:true} 1000 57'],
    reply: reply(openOut(57, 2)),
  },
  {
    name: 'READ',
    request: request(15, 7, `${le64(57)} ${le64(4096)} ${le32(8192)} ${'00'.repeat(20)}`),
    asks: ['read 57 4096 8192'],
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
    name: 'WRITE of pages that a mapping changed',
    request: request(16, 7, `${le64(57)} ${le64(4096)} 01000000 01000000 ${'00'.repeat(16)} 61`),
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
    name: 'STATFS',
    request: request(17, 1, ''),
    asks: ['statfs 1'],
    reply: reply(
      `${[9, 8, 7, 6, 5].map(le64).join('')} 00100000 ff000000 00020000 00000000 ${'00'.repeat(24)}`,
    ),
  },
  {
    name: 'RELEASE',
    request: request(18, 7, `${le64(57)} ${'00'.repeat(16)}`),
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
    name: 'SETXATTR with the extension',
    request: request(21, 7, `02000000 01000000 01000000 00000000 ${text('user.x')} 00ff`),
    asks: ['setxattr 7 user.x <\u0000\xff> 1 true'],
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
    name: 'REMOVEXATTR',
    request: request(24, 7, text('user.a')),
    asks: ['removexattr 7 user.a'],
    reply: reply(''),
  },
  {
    name: 'FLUSH is not wanted',
    request: request(25, 7, `${le64(57)} ${'00'.repeat(16)}`),
    asks: [],
    reply: failure(38),
  },
  {
    name: 'OPENDIR',
    request: request(27, 7, `${le32(0o200000)} 00000000`),
    asks: ['opendir 7'],
    reply: reply(openOut(58, 2 | 8)),
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
    name: 'CREATE',
    request: request(35, 1, `${le32(0o100302)} ${le32(0o100640)} ${UMASK} 00000000 ${text('new')}`),
    asks: [`create 1 new 100640 202 ${CALLER}`],
    reply: reply(`${entryOut(8)} ${openOut(55, 2)}`),
  },
  {
    name: 'TMPFILE, whose name is a slash',
    request: request(51, 1, `${le32(0o20200002)} ${le32(0o100600)} ${UMASK} 00000000 ${text('/')}`),
    asks: [`tmpfile 1 100600 2 ${CALLER}`],
    reply: reply(`${entryOut(8)} ${openOut(56, 2)}`),
  },
  { name: 'INTERRUPT', request: request(36, 0, le64(4)), asks: [], reply: '' },
  {
    name: 'FALLOCATE',
    request: request(43, 7, `${le64(57)} ${le64(1)} ${le64(2)} 03000000 00000000`),
    asks: ['fallocate 57 3 1 2'],
    reply: reply(''),
  },
  {
    name: 'LSEEK',
    request: request(46, 7, `${le64(57)} ${le64(1)} 03000000 00000000`),
    asks: ['lseek 57 1 3'],
    reply: reply('0010000000000000'),
  },
  {
    name: 'LSEEK from before the beginning, which the filesystem judges',
    request: request(46, 7, `${le64(57)} ffffffffffffffff 03000000 00000000`),
    asks: ['lseek 57 -1 3'],
    reply: reply('0010000000000000'),
  },
  {
    name: 'COPY_FILE_RANGE_64 of more than fits a number is cut to a piece',
    request: request(
      53,
      7,
      `${le64(57)} ${le64(1)} ${le64(8)} ${le64(59)} ${le64(2)} ffffffffffffff7f ${le64(0)}`,
    ),
    asks: [`copy 57 1 59 2 ${64 * 1024 * 1024}`],
    reply: reply('4d00000000000000'),
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
  { name: 'IOCTL is ENOTTY', request: request(39, 7, '00'.repeat(32)), asks: [], reply: failure(25) },
  {
    name: 'POLL is left to the kernel',
    request: request(40, 7, '00'.repeat(24)),
    asks: [],
    reply: failure(38),
  },
  {
    name: 'SETLK is left to the kernel',
    request: request(32, 7, '00'.repeat(48)),
    asks: [],
    reply: failure(38),
  },
  { name: 'an unknown opcode is ENOSYS', request: request(4000, 7, ''), asks: [], reply: failure(38) },
];

describe('a request', () => {
  it.each(GOLDEN)('$name', (golden) => {
    const wire = new Wire();
    expect(wire.send(golden.request)).toBe(golden.reply);
    expect(wire.asked()).toEqual(golden.asks);
    expect(wire.faults).toEqual([]);
  });

  it('INIT agrees on 7.45 and on nothing that was not offered', () => {
    const wire = new Wire();
    expect(wire.send(INIT)).toBe(
      reply(`
        07000000 2d000000 00000200
        61e0f470             # BIG_WRITES, READDIRPLUS, POSIX_ACL, MAX_PAGES, KILLPRIV_V2, SETXATTR_EXT, INIT_EXT ...
        4000 3000            # max_background 64, congestion_threshold 48
        00001000             # max_write 1 MiB
        01000000             # time_gran 1 ns
        0001 0000            # max_pages 256
        ${'00'.repeat(32)}`),
    );
    const poor = request(26, 0, '07000000 1f000000 00000200 20000000');
    expect(wire.send(poor).slice(32, 64)).toBe('070000001f0000000000020020000000');
  });

  it('INIT of a newer major gets ours alone, of an older one EPROTO', () => {
    const wire = new Wire();
    const newer = hex(wire.send(request(26, 0, '08000000 00000000 00000000 ffffffff')));
    expect(Buffer.from(newer.subarray(16, 32)).toString('hex')).toBe('070000002d0000000000000000000000');
    expect(wire.send(request(26, 0, '06000000 00000000 00000000 00000000'))).toBe(failure(71));
  });

  it('an open that truncates clears set-id bits unasked where the kernel cannot ask', () => {
    const wire = new Wire({ init: request(26, 0, '07000000 1f000000 00000200 28000000') });
    wire.send(request(14, 7, `${le32(0o1001)} 00000000`));
    expect(wire.asked()).toEqual(['open 7 1001', 'setattr 7 {killPrivileges:true} 1000 57']);
    wire.send(request(14, 7, `${le32(1)} 00000000`));
    expect(wire.asked()).toEqual(['open 7 1']);
  });

  it('SETXATTR without the extension has a shorter struct', () => {
    const wire = new Wire({ init: request(26, 0, '07000000 1f000000 00000200 20000000') });
    expect(wire.send(request(21, 7, `01000000 02000000 ${text('user.x')} 61`))).toBe(reply(''));
    expect(wire.asked()).toEqual(['setxattr 7 user.x <a> 2 false']);
  });
});

describe('where the kernel opens without asking', () => {
  const wire = () => new Wire({ init: INIT });
  const read = request(15, 7, `${le64(0)} ${le64(0)} ${le32(4)} ${'00'.repeat(20)}`);
  const write = request(16, 7, `${le64(0)} ${le64(0)} 01000000 ${'00'.repeat(20)} 61`);
  const readdir = (cookie: number) =>
    request(28, 1, `${le64(0)} ${le64(cookie)} ${le32(64)} ${'00'.repeat(20)}`);
  /** The cookies of a READDIR reply. */
  const cookies = (answer: string) => {
    const bytes = Buffer.from(answer, 'hex');
    const found: number[] = [];
    for (let at = 16; at < bytes.length; at += 24 + Math.ceil(bytes.readUInt32LE(at + 16) / 8) * 8) {
      found.push(Number(bytes.readBigUInt64LE(at + 8)));
    }
    return found;
  };

  it('OPEN and OPENDIR are ENOSYS and open nothing', () => {
    const { send, asked } = bound(wire());
    expect(send(request(14, 7, '00000000 00000000'))).toBe(failure(38));
    expect(send(request(27, 1, '00000000 00000000'))).toBe(failure(38));
    expect(asked()).toEqual([]);
  });

  it('the first READ opens, the first WRITE opens for writing, and FORGET closes', () => {
    const { send, asked } = bound(wire());
    send(read);
    send(read);
    expect(asked()).toEqual(['open 7 0', 'read 57 0 4', 'read 57 0 4']);
    send(write);
    send(write);
    send(read);
    expect(asked()).toEqual([
      'open 7 2',
      'release 57',
      'write 57 0 <a> false',
      'write 57 0 <a> false',
      'read 57 0 4',
    ]);
    send(request(2, 7, le64(1)));
    expect(asked()).toEqual(['release 57', 'forget 7 1']);
  });

  it('the handle of CREATE serves both ways and goes with its node', () => {
    const { send, asked } = bound(wire());
    const create = request(35, 1, `${le32(0o101)} ${le32(0o100644)} 00000000 00000000 ${text('new')}`);
    expect(send(create)).toBe(reply(`${entryOut(8)} ${openOut(0, 2)}`));
    send(request(15, 8, `${le64(0)} ${le64(0)} ${le32(4)} ${'00'.repeat(20)}`));
    send(request(2, 8, le64(1)));
    expect(asked()).toEqual([
      'create 1 new 100644 2 {uid:1000,gid:100,pid:99,umask:0}',
      'read 55 0 4',
      'release 55',
      'forget 8 1',
    ]);
  });

  it('keeps no more than 256 files open', () => {
    const { send, asked } = bound(wire());
    for (let node = 2; node < 260; node++) {
      send(request(15, node, `${le64(0)} ${le64(0)} ${le32(4)} ${'00'.repeat(20)}`));
    }
    const calls = asked();
    const opened = calls.filter((call) => call.startsWith('open ')).length;
    expect(opened - calls.filter((call) => call.startsWith('release ')).length).toBe(256);
  });

  it('two readings of one folder have listings of their own', () => {
    const { send, asked } = bound(wire());
    const first = cookies(send(readdir(0)));
    expect(first).toHaveLength(2);
    const second = cookies(send(readdir(0)));
    expect(second).not.toEqual(first);
    const rest = cookies(send(readdir(first[1] as number)));
    expect(rest).toEqual([(first[0] as number) + 2]);
    expect(asked()).toEqual(['opendir 1', 'readdir 58 0', 'opendir 1', 'readdir 58 0', 'readdir 58 2']);
  });

  it('a reading whose listing was closed goes on in a new one', () => {
    const { send, asked } = bound(wire());
    const first = cookies(send(readdir(0)));
    send(request(2, 1, le64(1)));
    asked();
    expect(cookies(send(readdir(first[1] as number)))).toHaveLength(1);
    expect(asked()).toEqual(['opendir 1', 'readdir 58 2']);
  });
});

function bound(wire: Wire): { send: (bytes: Uint8Array) => string; asked: () => string[] } {
  return { send: (bytes) => wire.send(bytes), asked: () => wire.asked() };
}

describe('a folder that moves to another', () => {
  it('makes the kernel drop its listing, once the reply is out', () => {
    const wire = new Wire();
    wire.send(request(12, 1, le64(5) + text('folder') + text('new')));
    const header = le32(40) + le32(2) + le64(0);
    expect(wire.notices()).toEqual([header + le64(9) + le64(0) + le64(0)]);
    expect(wire.notices()).toEqual([]);
    wire.send(request(12, 1, le64(5) + text('file') + text('new')));
    expect(wire.notices()).toEqual([]);
  });
});

describe('trusted xattrs', () => {
  it('are listed to root only', () => {
    const wire = new Wire();
    wire.filesystem.xattrs.set('trusted.t', Uint8Array.of());
    const list = '00010000 00000000';
    expect(wire.send(request(23, 7, list))).toBe(reply(text('user.a')));
    expect(wire.send(request(23, 7, list, 0))).toBe(reply(text('user.a') + text('trusted.t')));
  });
});
