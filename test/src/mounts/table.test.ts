import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mountAt, parseMountinfo, readMounts } from '../../../src/mounts/mountinfo.js';
import { bootId, isAlive, markOf, mountNamespace } from '../../../src/mounts/process-life.js';
import { type MountRow, MountTable } from '../../../src/mounts/table.js';

let state: string;
let table: MountTable;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'mica-table-'));
  table = new MountTable(state);
});
afterEach(() => rmSync(state, { recursive: true }));

/** A mount that is there on every Linux; its row says that the kernel serves it. */
const PROC = '/proc';

function row(more: Partial<MountRow> = {}): MountRow {
  return {
    target: PROC,
    driver: 'overlay',
    process: markOf(process.pid),
    readOnly: false,
    since: '2024-01-01T00:00:00.000000000Z',
    boot: bootId(),
    mountNamespace: mountNamespace(),
    ...more,
  };
}

describe('the mount table', () => {
  it('is empty before the first mount', () => {
    expect(table.list()).toEqual([]);
    expect(table.sweep()).toEqual([]);
  });

  it('lists what is really mounted', () => {
    table.put(row());
    expect(table.list()).toMatchObject([{ target: PROC, state: 'live' }]);
    expect(table.at(PROC)).toMatchObject({ target: PROC });
    expect(table.at('/elsewhere')).toBeUndefined();
  });

  it('forgets rows whose mount is gone, of another boot, or of another kind, in one line each', () => {
    table.put(row({ target: '/nowhere' }));
    expect(table.list()).toEqual([]);
    expect(table.sweep()).toEqual(['forgot the mount at /nowhere, which is gone']);
    table.put(row({ boot: 'another' }));
    expect(table.list()).toEqual([]);
    expect(table.sweep()).toHaveLength(1);
    table.put(row({ driver: 'fuse', process: { pid: process.pid, started: '0' } }));
    expect(table.list()).toEqual([]);
    expect(table.sweep()).toHaveLength(1);
    expect(readdirSync(table.folder)).toEqual([]);
  });

  it('forgets the mounts of a namespace in which nobody lives any more', () => {
    table.put(row({ mountNamespace: 'mnt:[1]' }));
    expect(table.list()).toEqual([]);
    expect(table.sweep()).toHaveLength(1);
  });

  it('says that the work in an active snapshot is kept', () => {
    const snapshot = { store: '/s', namespace: 'default', key: 'my-key', id: '7' };
    table.put(row({ target: '/nowhere', snapshot, upper: { device: 1, inode: 2 } }));
    expect(table.sweep()).toEqual(['forgot the mount at /nowhere, which is gone; my-key is kept']);
  });

  it('leaves a server alone that is just ending', () => {
    table.put(row({ target: '/nowhere', driver: 'fuse' }));
    expect(table.list()).toEqual([]);
    expect(table.sweep()).toEqual([]);
    expect(readdirSync(table.folder)).toHaveLength(1);
  });

  it('finds a mount by a path inside it, the innermost first', () => {
    table.put(row());
    expect(table.containing('/proc/self/x')).toMatchObject({ rest: 'self/x', mount: { target: PROC } });
    expect(table.containing('/proc')).toMatchObject({ rest: '' });
    expect(table.containing('/process')).toBeUndefined();
  });

  it('finds a mount by the folder it writes to, however that is reached, and by its snapshot', () => {
    const upper = join(state, 'fs');
    mkdirSync(upper);
    const { dev, ino } = statSync(upper);
    const snapshot = { store: '/s', namespace: 'default', key: 'k', id: '7' };
    table.put(row({ snapshot, upper: { device: dev, inode: ino } }));
    expect(table.writing(`${state}/../${state.split('/').at(-1)}/fs`)).toMatchObject({ target: PROC });
    expect(table.writing(state)).toBeUndefined();
    expect(table.writing('/nowhere')).toBeUndefined();
    expect(table.showing('/s', '7')).toMatchObject({ target: PROC });
    expect(table.showing('/s', '8')).toBeUndefined();
    expect(table.showing('/other', '7')).toBeUndefined();
  });

  it('removes a row only as long as it is the same', () => {
    const old = row();
    table.put(old);
    table.put(row({ since: '2025-01-01T00:00:00.000000000Z' }));
    table.remove(old);
    expect(table.list()).toHaveLength(1);
  });

  it('names a damaged file', () => {
    table.put(row());
    const [name = ''] = readdirSync(table.folder);
    writeFileSync(join(table.folder, name), '{');
    expect(() => table.list()).toThrow(join(table.folder, name));
  });
});

describe('mountinfo', () => {
  const text = [
    '21 26 0:19 / /proc rw,nosuid shared:12 - proc proc rw',
    '36 26 98:0 /sub/folder /mnt/a\\040b\\134c ro,noatime master:1 - fuse.mica mica rw,user_id=0',
    '37 26 0:50 / /mnt/two rw - overlay overlay rw,lowerdir=/x:/y',
    '38 26 0:51 / /mnt/two rw - tmpfs none rw',
    '',
  ].join('\n');

  it('is read with its escapes, fields of any number, and the topmost of a place last', () => {
    const mounts = parseMountinfo(text);
    expect(mounts[1]).toEqual({
      id: '36',
      target: '/mnt/a b\\c',
      type: 'fuse.mica',
      source: 'mica',
      device: '98:0',
      root: '/sub/folder',
      options: ['ro', 'noatime'],
      superOptions: ['rw', 'user_id=0'],
    });
    expect(mountAt('/mnt/two', mounts)?.type).toBe('tmpfs');
    expect(mountAt('/mnt', mounts)).toBeUndefined();
  });

  it('is undefined for a process that is not there', () => {
    expect(readMounts(2 ** 22 + 1)).toBeUndefined();
  });
});

describe('the mark of a process', () => {
  it('tells a process from another with its number', () => {
    expect(isAlive(markOf(process.pid))).toBe(true);
    expect(isAlive({ pid: process.pid, started: '1' })).toBe(false);
    expect(isAlive({ pid: 2 ** 22 + 1, started: '1' })).toBe(false);
  });
});
