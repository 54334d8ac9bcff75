// A live mount with names beyond ASCII, and such that are no UTF-8, as the page is told of it while others work there.

import { appendFileSync, mkdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { AttachedLab } from '../../dist/src/cli/lab/attached.js';
import { Totals } from '../../dist/src/cli/lab/totals.js';
import type { ControlClient } from '../../dist/src/mounts/control.js';
import { connectControl } from '../../dist/src/mounts/control-socket.js';
import { MountTable } from '../../dist/src/mounts/table.js';
import type { Ran, Told } from '../../src/web/model.js';
import { Scratch } from '../program.js';
import { describeWith } from '../requires.js';

/** `lower/d\xff/f`. */
const below = (folder: string, ...names: string[]): Buffer =>
  Buffer.from([folder, ...names].join('/'), 'latin1');

describeWith(['root', 'fuse'], 'the names of a live mount in the lab', () => {
  let scratch: Scratch;
  let server: ControlClient;
  let lab: AttachedLab;
  let told: Told[];
  let end: () => Promise<void>;

  beforeEach(async () => {
    scratch = new Scratch('lab-names');
    for (const name of ['lower/é', 'upper', 'work', 'mnt'])
      mkdirSync(scratch.path(name), { recursive: true });
    for (const [layer, dir] of [
      ['lower', 'd\xff'],
      ['upper', 'u\xff'],
    ] as const) {
      mkdirSync(below(scratch.path(layer), dir));
      writeFileSync(below(scratch.path(layer), dir, 'f'), 'x');
    }
    writeFileSync(scratch.path('lower/é/ü'), 'x');
    const [lower, upper, work, mnt] = ['lower', 'upper', 'work', 'mnt'].map((name) => scratch.path(name));
    scratch.mica('mount', '--lower', lower!, '--upper', upper!, '--work', work!, mnt!);
    const mount = new MountTable(scratch.path('state')).at(mnt!)!;
    server = await connectControl(mount.socket ?? '');
    lab = new AttachedLab(
      mount,
      server,
      async () => new Map(),
      async () => [],
      new Totals(),
    );
    await lab.state('');
    told = [];
    const gone = new AbortController();
    const following = lab.follow(gone.signal, (one) => told.push(one));
    end = async () => {
      gone.abort();
      await following;
    };
    // Whoever follows is told nothing of what was before.
    for (let n = 0; told.length === 0; n++) {
      statSync(scratch.path(`mnt/${n}`), { throwIfNoEntry: false });
      await sleep(20);
    }
  });
  afterEach(async () => {
    await end();
    server.close();
    scratch.mica('umount', scratch.path('mnt'));
    scratch.remove();
  });

  /** The first that was told of which this holds. */
  const ran = async (holds: (ran: Ran) => boolean): Promise<Ran> => {
    const found = () => told.flatMap((one) => (one.kind === 'ran' && holds(one.ran) ? one.ran : []))[0];
    await expect.poll(found, { timeout: 60_000 }).toBeDefined();
    return found()!;
  };

  it('are text in what it tells and explains', async () => {
    appendFileSync(scratch.path('mnt/é/ü'), 'y');
    const { line } = await ran(({ events }) => events.some(({ kind }) => kind === 'copy-up'));
    expect(line).toContain('copy-up é/ü');
    expect(await lab.explain('é/ü')).toMatchObject({ path: 'é/ü', parents: [{ path: 'é' }] });
  });

  it('are explained by their bytes, text or not', async () => {
    unlinkSync(below(scratch.path('mnt'), 'd\xff', 'f'));
    const { events } = await ran(({ events }) => events.some(({ kind }) => kind === 'whiteout'));
    expect(events.map(({ path }) => path)).toContain('d\ufffd/f');
    const { merged } = await lab.state('');
    expect(merged.map(({ path, layer }) => [path, layer]).sort()).toEqual([
      ['d\ufffd', 'upper'],
      ['u\ufffd', 'upper'],
      ['u\ufffd/f', 'upper'],
      ['é', 'lower'],
      ['é/ü', 'lower'],
    ]);
  });

  it('are watched by their bytes, for what is written without any event', async () => {
    const file = below(scratch.path('mnt'), 'u\xff', 'f');
    // Where it comes with an event, as the first one does, that is told.
    const written = () => {
      appendFileSync(file, 'y');
      return told.some((one) => one.kind === 'ran' && one.ran.line === 'a program writes');
    };
    await expect.poll(written, { timeout: 60_000, interval: 300 }).toBe(true);
  });
});
