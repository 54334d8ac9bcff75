// Who a command runs as, by the passwd and group files of an image.

import { describe, expect, it } from 'vitest';
import { resolveUser } from '../../../src/run/users.js';

const PASSWD = `root:x:0:0:root:/root:/bin/bash
web:x:33:34::/var/www:/usr/sbin/nologin
broken line
half:x:7
7:x:1000:1000::/home/seven:/bin/sh
`;
const GROUP = `root:x:0:
audio:x:29:web,other
web:x:34:web
video:x:44:other,web
`;

describe('the user of a command', () => {
  const of = (user: string) => resolveUser(user, PASSWD, GROUP);

  it('is root where none is named', () => {
    expect(of('')).toEqual({ uid: 0, gid: 0, groups: [], home: '/root' });
  });

  it('has the group of its entry and those that name it', () => {
    expect(of('web')).toEqual({ uid: 33, gid: 34, groups: [29, 44], home: '/var/www' });
    expect(of('33')).toEqual(of('web'));
  });

  it('has no other groups where a group is named', () => {
    expect(of('web:audio')).toEqual({ uid: 33, gid: 29, groups: [], home: '/var/www' });
    expect(of('web:1234')).toMatchObject({ gid: 1234 });
  });

  it('is a number without an entry, in group 0', () => {
    expect(of('4000')).toEqual({ uid: 4000, gid: 0, groups: [], home: '/' });
    expect(resolveUser('0', '', '')).toEqual({ uid: 0, gid: 0, groups: [], home: '/root' });
  });

  it('is the one of that name before the one of that number', () => {
    expect(of('7')).toMatchObject({ uid: 1000 });
  });

  it('is not found by a name that no line has', () => {
    expect(() => of('half')).toThrow('the image has no user half');
    expect(() => of('web:nobody')).toThrow('the image has no group nobody');
    expect(() => of('-1')).toThrow('no user');
    expect(() => of('4294967295')).toThrow('no user');
  });
});
