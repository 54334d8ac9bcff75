// The ways to a FUSE mount: mount(2) and the set-uid helper. Nobody serves these mounts and nobody looks into
// them: each is seen in mountinfo, its first message is read, and it is detached.

import { mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { sys } from '../../fs/index.js';
import { fromText } from '../../fs/name.js';
import { describeWith } from '../requires.js';

const INIT_BYTES = 104;
const ENODEV = 19;
let folder: string;
let device = -1;

/** The type of what is mounted at the folder; undefined if nothing is. */
function mountedType(): string | undefined {
  const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return lines.map((line) => line.split(' ')).find(([, target]) => target === folder)?.[2];
}

function firstMessage(): number {
  sys.setNonBlocking(device);
  expect(new sys.PollSet([device]).wait(10_000)).toBe(true);
  return sys.readInto(device, new Uint8Array(65536));
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mica-sys-mount-'));
});

afterEach(() => {
  if (mountedType() !== undefined) sys.unmount(fromText(folder), sys.MNT_DETACH);
  if (device >= 0) sys.closeDevice(device);
  device = -1;
  rmdirSync(folder);
});

describeWith(['root', 'fuse'], 'mount(2)', () => {
  it('mounts a device that we opened, and the device says when it is over', () => {
    device = sys.openDevice('/dev/fuse');
    const options = `fd=${device},rootmode=40000,user_id=0,group_id=0`;
    sys.mount('mica', fromText(folder), 'fuse.mica', sys.MS_NOSUID | sys.MS_NODEV, options);
    expect(mountedType()).toBe('fuse.mica');
    expect(firstMessage()).toBe(INIT_BYTES);
    sys.unmount(fromText(folder), sys.MNT_DETACH);
    expect(mountedType()).toBeUndefined();
    expect(sys.readInto(device, new Uint8Array(65536))).toBe(-ENODEV);
  });

  it('refuses options longer than the kernel reads', () => {
    expect(() => sys.mount('x', fromText(folder), 'tmpfs', 0, 'a'.repeat(4096))).toThrow(
      /longer than a page/,
    );
  });
});

describeWith(['fuse', 'program:fusermount3'], 'fusermount3', () => {
  it('hands over a mounted device, and unmounts', () => {
    device = sys.mountWithHelper(fromText(folder), 'fsname=mica,subtype=mica');
    expect(mountedType()).toBe('fuse.mica');
    expect(firstMessage()).toBe(INIT_BYTES);
    sys.unmountWithHelper(fromText(folder), true);
    expect(mountedType()).toBeUndefined();
  });

  it("tells the helper's own words when it refuses", () => {
    expect(() => sys.mountWithHelper(fromText(`${folder}/none`), '')).toThrow(/No such file/);
  });
});
