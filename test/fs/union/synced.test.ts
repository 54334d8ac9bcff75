// When data is made durable by the union itself: when it was copied, before the copy counts, and never else, because
// each time costs a wait for the disk.

import { afterAll, describe, expect, it } from 'vitest';
import { O_RDWR, O_TRUNC } from '../../../fs/filesystem.js';
import { mayUseTrustedXattrs } from '../../../fs/sys/index.js';
import { arm, disarm } from '../../faults/libc.js';
import { Places } from '../../faults/places.js';
import type { Paths } from '../../suites/paths.js';

// Extents that are shared are the filesystem's own affair.
process.env['MICA_WITHOUT'] = 'reflink';

const places = new Places(mayUseTrustedXattrs() ? 'trusted' : 'user');
afterAll(() => places.remove());

/** The changes on disk that `act` makes, in order. */
function changes(
  act: (at: Paths) => void,
  { before, volatile = false }: { before?: (at: Paths) => void; volatile?: boolean } = {},
): readonly string[] {
  const upper = places.fresh();
  const opened = upper.open({ volatile });
  before?.(opened.paths);
  arm(() => undefined);
  act(opened.paths);
  const made = disarm().filter(({ kind }) => kind === 'change');
  opened.union.destroy();
  upper.remove();
  return made.map(({ name }) => name);
}

const isSync = (name: string) => /sync$/.test(name);
const openToWrite = (at: Paths) => at.fs.release(at.open('f', O_RDWR));

describe('data that is copied into the upper', () => {
  it('is durable before the copy gets its name', () => {
    const made = changes(openToWrite);
    expect(made.filter(isSync)).toEqual(['fdatasync']);
    expect(made.slice(made.indexOf('fdatasync'))).toContain('linkat');
    expect(made.slice(0, made.indexOf('fdatasync'))).toContain('copy_file_range');
  });

  it('is durable before the mark goes that says that it lies below', () => {
    const made = changes(openToWrite, { before: (at) => at.chmod('f', 0o600) });
    expect(made.filter(isSync)).toEqual(['fdatasync']);
    expect(made.slice(0, made.indexOf('fdatasync'))).toContain('copy_file_range');
    expect(made.slice(made.indexOf('fdatasync') + 1)).toContain('removexattr');
  });

  it('is not waited for where nobody needs it to be whole after a power cut', () => {
    expect(changes(openToWrite, { volatile: true }).filter(isSync)).toEqual([]);
    const before = (at: Paths) => at.chmod('f', 0o600);
    expect(changes(openToWrite, { before, volatile: true }).filter(isSync)).toEqual([]);
  });
});

const NO_DATA: Readonly<Record<string, (at: Paths) => void>> = {
  chmod: (at) => at.chmod('f', 0o600),
  rename: (at) => at.rename('g', 'moved'),
  link: (at) => at.link('f', 'n'),
  'chmod of a folder': (at) => at.chmod('d/sub', 0o700),
  'opening with O_TRUNC': (at) => at.fs.release(at.open('f', O_RDWR | O_TRUNC)),
  'a new file': (at) => at.write('new', 'text'),
  unlink: (at) => at.unlink('f'),
};

describe('a change that copies no data', () => {
  it.each(Object.entries(NO_DATA))('waits for no disk: %s', (_, act) => {
    const made = changes(act);
    expect(made.length).toBeGreaterThan(0);
    expect(made.filter(isSync)).toEqual([]);
  });
});
