// Who a container's command runs as: `user[:group]`, by name or number, looked up in the passwd and group files of the
// image (passwd(5), group(5)), as the engines do it. A number needs no entry there.

import { StoreError } from '../errors.js';

export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
  /** The other groups, without `gid`. */
  readonly groups: readonly number[];
  readonly home: string;
}

interface PasswdLine {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupLine {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** `passwd` and `group` are the texts of the two files, '' where there is none. not-found for a name that is in neither. */
export function resolveUser(user: string, passwd: string, group: string): ContainerUser {
  const [userWord = '', groupWord] = user.split(':', 2);
  const what = `cannot run as ${user}`;
  const groups = groupLines(group);
  const line = lineOf(userWord === '' ? '0' : userWord, passwdLines(passwd), what);
  if (groupWord !== undefined && groupWord !== '') {
    return { uid: line.uid, gid: gidOf(groupWord, groups, what), groups: [], home: line.home };
  }
  const others = groups.filter(({ gid, members }) => gid !== line.gid && members.includes(line.name));
  return { uid: line.uid, gid: line.gid, groups: others.map(({ gid }) => gid), home: line.home };
}

function lineOf(word: string, lines: readonly PasswdLine[], what: string): PasswdLine {
  const number = idOf(word);
  const line = lines.find(({ name, uid }) => name === word || uid === number);
  if (line !== undefined) return line;
  if (number !== undefined) return { name: '', uid: number, gid: 0, home: number === 0 ? '/root' : '/' };
  throw new StoreError('not-found', what, `the image has no user ${word}`, {
    hint: 'mica cat IMAGE:/etc/passwd',
  });
}

function gidOf(word: string, groups: readonly GroupLine[], what: string): number {
  const gid = groups.find(({ name }) => name === word)?.gid ?? idOf(word);
  if (gid !== undefined) return gid;
  throw new StoreError('not-found', what, `the image has no group ${word}`, {
    hint: 'mica cat IMAGE:/etc/group',
  });
}

/** Lines that are not what the format says are passed over, as the C library does. */
function passwdLines(text: string): readonly PasswdLine[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , uidWord = '', gidWord = '', , home = ''] = line.split(':');
    const uid = idOf(uidWord);
    const gid = idOf(gidWord);
    return name === '' || uid === undefined || gid === undefined
      ? []
      : [{ name, uid, gid, home: home || '/' }];
  });
}

function groupLines(text: string): readonly GroupLine[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , gidWord = '', members = ''] = line.split(':');
    const gid = idOf(gidWord);
    return name === '' || gid === undefined ? [] : [{ name, gid, members: members.split(',') }];
  });
}

/** 4294967295 is -1, which stands for nobody in system calls. */
function idOf(word: string): number | undefined {
  return /^[0-9]{1,10}$/.test(word) && Number(word) < 0xffffffff ? Number(word) : undefined;
}
