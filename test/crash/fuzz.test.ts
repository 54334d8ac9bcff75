// Damaged archives: whatever the bytes, an import ends with one line and a known exit code, and the store still works.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Scratch } from '../program.js';

describe('a damaged archive', () => {
  let scratch: Scratch;
  let archive: Buffer;
  let layer: Buffer;

  beforeAll(() => {
    scratch = new Scratch('fuzz');
    const source = scratch.folder('source');
    mkdirSync(join(source, 'd'));
    for (let n = 0; n < 20; n++) writeFileSync(join(source, 'd', `f${n}`), `content ${n}\n`);
    const tar = scratch.path('root.tar');
    execFileSync('tar', ['-C', source, '--format=pax', '-cf', tar, '.']);
    layer = readFileSync(tar);
    scratch.mica('image', 'create', 'good:1', '--from', tar);
    scratch.mica('export', 'good:1', '-o', scratch.path('good.tar'));
    archive = readFileSync(scratch.path('good.tar'));
  });
  afterAll(() => scratch.remove());

  const expectTidy = (done: { code: number; out: string; err: string }): void => {
    expect([0, 1, 2, 3, 6]).toContain(done.code);
    if (done.code === 0) return;
    const lines = done.err.trim().split('\n');
    expect(lines[0]).toMatch(/^mica: .+: .+/);
    expect(lines.length).toBeLessThanOrEqual(2);
    expect(done.err).not.toMatch(/\n\s+at /);
  };

  it.each([0, 1, 511, 512, 700, 4096, 10_000])('cut off after %i bytes is refused', (length) => {
    const cut = scratch.path('cut.tar');
    writeFileSync(cut, archive.subarray(0, length));
    const done = scratch.try('import', cut, '--name', 'cut:1');
    expect(done.code).not.toBe(0);
    expectTidy(done);
  });

  it('with bytes changed anywhere is refused, or holds what its digests say', () => {
    for (let round = 0; round < 12; round++) {
      const bytes = Buffer.from(archive);
      for (let n = 0; n < 3; n++) {
        const at = (round * 7_919 + n * 104_729) % bytes.length;
        bytes[at] = (bytes[at] ?? 0) ^ (1 + ((round * 31 + n) % 255));
      }
      const file = scratch.path('changed.tar');
      writeFileSync(file, bytes);
      expectTidy(scratch.try('import', file, '--name', `changed:${round}`));
    }
  });

  it('as a layer is applied whole or not at all', () => {
    const before = JSON.parse(scratch.mica('--json', 'images')) as unknown[];
    let refused = 0;
    for (let round = 0; round < 12; round++) {
      const bytes = Buffer.from(layer);
      const at = (round * 1543) % (bytes.length - 2048);
      bytes.fill(0xff, at, at + 16);
      const file = scratch.path('layer.tar');
      writeFileSync(file, bytes);
      const done = scratch.try('image', 'create', `layer:${round}`, '--from', file);
      expectTidy(done);
      if (done.code !== 0) refused++;
    }
    expect(refused).toBeGreaterThan(0);
    const after = JSON.parse(scratch.mica('--json', 'images')) as unknown[];
    expect(after).toHaveLength(before.length + 12 - refused);
    expect(scratch.mica('cat', 'good:1:d/f3')).toBe('content 3\n');
  });
});
