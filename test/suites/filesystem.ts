// The contract of fs/filesystem.ts, to be run on every implementation over the same starting tree:
//
//   file        "lower", 0640, owner 7:8, times of long ago with nanoseconds, user.note=kept
//   linked      "twice", the same file as `other`
//   folder/     02751, owner 7:8, old times, with `a`, `b` and `deep/x`
//   symlink     -> file
//   fifo
//   sparse      1 MiB with 4 KiB of data at the beginning and 4 KiB at 512 KiB
//
// What it checks are the rules of POSIX and Linux as a kernel relies on them; how layers and marks look
// afterwards is tested with the union.

import { afterEach, beforeEach, describe } from 'vitest';
import { data } from './filesystem/data.js';
import { identity } from './filesystem/identity.js';
import { listing } from './filesystem/listing.js';
import { metadata } from './filesystem/metadata.js';
import { kindsAndNames } from './filesystem/names.js';
import {
  type FilesystemSuiteOptions,
  type FilesystemUnderTest,
  fillWithStartingTree,
  TestedFilesystem,
} from './filesystem/tested.js';
import { openAndUnlinked } from './filesystem/unlinked.js';

export { type FilesystemUnderTest, fillWithStartingTree };

/** Registers the tests under `title`. */
export function describeFilesystem(
  title: string,
  make: () => FilesystemUnderTest,
  options: FilesystemSuiteOptions = { keepsNumbersOfSpecials: true },
): void {
  describe(title, () => {
    const at = new TestedFilesystem(options);
    beforeEach(() => at.begin(make()));
    afterEach(() => at.end());

    openAndUnlinked(at);
    identity(at);
    data(at);
    metadata(at);
    kindsAndNames(at);
    listing(at);
  });
}
