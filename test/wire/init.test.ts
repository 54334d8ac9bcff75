// INIT, to the byte: what is agreed on with each kernel, and how the requests after it depend on it.

import { describe, expect, it } from 'vitest';
import {
  attrOut,
  failure,
  hex,
  INIT,
  initOf,
  le32,
  le64,
  openOut,
  reply,
  request,
  text,
  Wire,
} from './wire.js';

const EPROTO = 71;

/** INIT of kernels before 5.17, which is 16 bytes long. */
function shortInit(minor: number, flags: string, major = 7): Uint8Array {
  return request(26, 0, `${le32(major)} ${le32(minor)} 00000200 ${flags}`);
}

function initOut(minor: number, flags: string): string {
  return `
    07000000 ${le32(minor)} 00000200
    ${flags}
    4000 3000            # max_background 64, congestion_threshold 48
    00001000             # max_write 1 MiB
    01000000             # time_gran 1 ns
    0001 0000            # max_pages 256, map_alignment
    00000000 00000000    # flags2, max_stack_depth
    0000 ${'00'.repeat(22)}`;
}

describe('INIT', () => {
  it.each([
    // ASYNC_READ, BIG_WRITES, DONT_MASK, DO_READDIRPLUS, READDIRPLUS_AUTO, ASYNC_DIO, PARALLEL_DIROPS, POSIX_ACL,
    // ABORT_ERROR, MAX_PAGES, CACHE_SYMLINKS, HANDLE_KILLPRIV_V2, SETXATTR_EXT, INIT_EXT
    ['Linux 6.18, which opens without asking', INIT, 45, '61e0f470'],
    // ... and ATOMIC_O_TRUNC
    ['Linux 6.18 without NO_OPENDIR_SUPPORT', initOf('fbffff72'), 45, '69e0f470'],
    ['Linux 5.8, whose message is shorter', shortInit(31, 'fbffff03'), 31, '61e0f400'],
    ['a later minor version, of which we speak ours', shortInit(60, 'fbffff73'), 45, '61e0f470'],
    ['the oldest version', shortInit(23, '20000000'), 23, '20000000'],
    ['a kernel that offers nothing', shortInit(31, '00000000'), 31, '00000000'],
    ['a kernel that offers what nobody knows', shortInit(45, '04000080'), 45, '00000000'],
  ])('of %s', (_, init, minor, flags) => {
    const wire = new Wire({ init });
    expect(wire.send(resent(init))).toBe(reply(initOut(minor, flags)));
    expect(wire.dispatcher.initialized).toBe(true);
    expect(wire.faults).toEqual([]);
  });

  it('of a newer major version gets ours alone, after which the kernel asks again', () => {
    const wire = new Wire({ init: shortInit(0, 'ffffffff', 8) });
    expect(wire.dispatcher.initialized).toBe(false);
    expect(wire.send(shortInit(0, 'ffffffff', 8))).toBe(reply(`07000000 2d000000 ${'00'.repeat(56)}`));
  });

  it.each([
    ['an older major version', shortInit(45, 'fbffff73', 6)],
    ['a minor version with shorter structs', shortInit(22, 'fbffff73')],
  ])('of %s is EPROTO', (_, init) => {
    const wire = new Wire({ init });
    expect(wire.send(init)).toBe(failure(EPROTO));
    expect(wire.dispatcher.initialized).toBe(false);
  });

  it('asks for WRITEBACK_CACHE where the user does, and leaves holes to the kernel then', () => {
    const wire = new Wire({ init: initOf('fbfffd72'), caching: { writeback: true } });
    expect(wire.send(resent(initOf('fbfffd72')))).toBe(reply(initOut(45, '69e0f570')));
    expect(wire.send(request(46, 7, `${le64(57)} ${le64(1)} 03000000 00000000`))).toBe(failure(38));
    expect(wire.asked()).toEqual([]);
  });

  it('asks for AUTO_INVAL_DATA and for every open where lowers change, and lets nothing hold for long', () => {
    const wire = new Wire({ init: INIT, caching: { briefly: true } });
    expect(wire.send(resent(INIT))).toBe(reply(initOut(45, '69f07470')));
    const half = '0065cd1d';
    const brief = attrOut().replace('ffffff7f00000000 00000000', `0000000000000000 ${half}`);
    expect(wire.send(request(3, 7, '00'.repeat(16)))).toBe(reply(brief));
    expect(wire.send(request(1, 1, text('none')))).toBe(
      reply(`${le64(0)} ${le64(0)} ${le64(0)} ${le64(0)} ${half} 00000000 ${'00'.repeat(88)}`),
    );
    expect(wire.send(request(27, 1, '00'.repeat(8)))).toBe(reply(openOut(58, 0)));
    expect(wire.send(request(14, 7, '00'.repeat(8)))).toBe(reply(openOut(57, 2)));
  });

  it('that is sent again is what counts', () => {
    const wire = new Wire({ init: INIT });
    wire.send(shortInit(31, '20000000'));
    wire.asked();
    expect(wire.send(request(21, 7, `01000000 02000000 ${text('user.x')} 61`))).toBe(reply(''));
    expect(wire.send(request(14, 7, '00'.repeat(8)))).toBe(reply(openOut(57, 2)));
    expect(wire.asked()).toEqual(['setxattr 7 user.x <a> 2 false', 'open 7 0']);
  });
});

describe('without HANDLE_KILLPRIV_V2', () => {
  it('an open that truncates clears set-id bits unasked, but for root', () => {
    const wire = new Wire({ init: shortInit(31, '28000000') });
    wire.send(request(14, 7, `${le32(0o1001)} 00000000`));
    expect(wire.asked()).toEqual(['open 7 1001', 'setattr 7 {killPrivileges:true} 1000 57']);
    wire.send(request(14, 7, `${le32(1)} 00000000`));
    expect(wire.asked()).toEqual(['open 7 1']);
    wire.send(request(14, 7, `${le32(0o1001)} 00000000`, { uid: 0 }));
    expect(wire.asked()).toEqual(['open 7 1001']);
  });
});

describe('without SETXATTR_EXT', () => {
  it('SETXATTR has a shorter struct', () => {
    const wire = new Wire({ init: shortInit(31, '20000000') });
    expect(wire.send(request(21, 7, `01000000 02000000 ${text('user.x')} 61`))).toBe(reply(''));
    expect(wire.asked()).toEqual(['setxattr 7 user.x <a> 2 false']);
  });
});

/** The same message under the number that `reply` expects. */
function resent(init: Uint8Array): Uint8Array {
  const body = Buffer.from(init.subarray(40)).toString('hex');
  return request(26, 0, body);
}

it('a golden INIT is 104 bytes long, as Linux has sent it since 5.17', () => {
  expect(INIT.length).toBe(104);
  expect(hex(new Wire().send(resent(INIT))).length).toBe(80);
});
