// What the page says of a path is what `mica explain` says, in the same words, and what the mount and the disk below it
// show: for every kind of change that an upper can hold, and for layers that are left out.

import { execFileSync } from 'node:child_process';
import { lstatSync, type Stats } from 'node:fs';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sizeText } from '../../src/web/amounts.js';
import { Scratch } from '../program.js';
import { describeWith } from '../requires.js';
import { LabPage, openBrowser } from './browser.js';
import { LabProcess } from './lab-process.js';

/** Many a command of its own is run. */
const SLOW = { timeout: 240_000 };

interface Told {
  readonly result: 'absent' | { readonly layer: string };
  readonly shows?: { readonly mode: number; readonly size?: number; readonly nlink?: number };
  readonly layers: readonly { readonly name: string; readonly finding: string; readonly size?: number }[];
  readonly why: string;
}

/** Runs of spaces are one: columns are a matter of the terminal. */
function plain(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

async function select(lab: LabPage, path: string): Promise<void> {
  await lab.page.click(`#grid .merged [data-path="${path}"]`);
  await lab.page.waitForFunction(
    (wanted) => document.querySelector('#why-text .subject b')?.textContent === wanted,
    path,
  );
  await lab.idle();
}

/** What stands under WHY when a path is selected, held against `mica explain` of the same place. */
async function expectSame(lab: LabPage, scratch: Scratch, path: string, place: string): Promise<Told> {
  await select(lab, path);
  const texts = (selector: string) =>
    lab.page.locator(`#why-text ${selector}`).evaluateAll((all) => all.map((one) => one.textContent ?? ''));
  const told: Told = JSON.parse(scratch.mica('--json', 'explain', place));
  const text = plain(scratch.mica('explain', place));
  const drawn = await lab.page.textContent(`#grid .merged [data-path="${path}"] .face`);
  if (told.shows?.size !== undefined)
    expect([path, drawn]).toEqual([path, expect.stringContaining(sizeText(told.shows.size))]);
  const classes = await lab.page
    .locator('#why-text .chain li')
    .evaluateAll((lines) => lines.map((line) => line.className.replace(' winner', '')));
  expect([path, await texts('.subject b')]).toEqual([path, [path]]);
  expect([path, classes]).toEqual([path, told.layers.map(({ finding }) => finding)]);
  expect(await texts('.chain b')).toEqual(told.layers.map(({ name }) => name));
  expect(await texts('.chain .winner b')).toEqual(
    told.result === 'absent' ? [] : [expect.stringMatching(/./)],
  );
  expect(await lab.page.textContent('#why-text')).toContain(told.why);
  expect(text).toContain(plain(told.why));
  const [what, copies, does] = [await texts('.costs dt'), await texts('.costs dd'), await texts('.does dd')];
  expect(what.length).toBe(told.result === 'absent' ? 0 : does.length);
  expect(await texts('.does dt')).toEqual(what);
  for (const [at, change] of what.entries())
    expect(text).toContain(plain(`${change.replace(/^a /, '')} ${copies[at]} ${does[at]}`));
  for (const range of await texts('.ranges li')) expect(text).toContain(range.replace(/ \((.*?)\) /, ' $1 '));
  const total = (await texts('.ranges p'))[0];
  if (total !== undefined) expect(text).toContain(total);
  return told;
}

describeWith(['root', 'fuse', 'program:chromium', 'program:getfattr'], 'what the lab says of a path', () => {
  let scratch: Scratch;
  let browser: Browser;
  const sh = (script: string) =>
    execFileSync('timeout', ['60', 'sh', '-ec', script], { cwd: scratch.path('mnt'), encoding: 'utf8' });
  const lstat = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });

  beforeAll(async () => {
    scratch = new Scratch('said');
    scratch.folder('mnt');
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    scratch?.remove();
  });

  /** A page of `mica lab` with these words, which ends with `act` and must have nothing to complain of. */
  async function withLab(words: readonly string[], query: string, act: (lab: LabPage) => Promise<void>) {
    const served = await LabProcess.start(scratch, ...words);
    try {
      const lab = await LabPage.open(browser, served.url, query);
      await act(lab);
      expect(lab.complaints).toEqual([]);
      await lab.close();
    } finally {
      expect(await served.end()).toBe(0);
    }
  }

  /** What must lie in the upper's folder where explain found this. */
  function expectOnDisk(path: string, { layers: [top] }: Told, upper: string): void {
    const place = `${upper}/${path}`;
    const marks = () => execFileSync('getfattr', ['--absolute-names', '-d', '-m', '.', place]).toString();
    const found = lstat(place);
    const kinds: Readonly<Record<string, () => unknown>> = {
      whiteout: () => found?.isCharacterDevice() === true && found.rdev === 0,
      nothing: () => found === undefined,
      indexed: () => found === undefined,
      file: () => found?.size === top?.size && !marks().includes('overlay.metacopy'),
      metadata: () => marks().includes('overlay.metacopy') && !marks().includes('ranges'),
      part: () => (found?.blocks ?? 0) * 512 < (found?.size ?? 0) && marks().includes('ranges'),
      folder: () => found?.isDirectory() === true && !/overlay\.(opaque="y|redirect)/.test(marks()),
      opaque: () => found?.isDirectory() === true && marks().includes('overlay.opaque="y"'),
      redirect: () => found?.isDirectory() === true && marks().includes('overlay.redirect='),
    };
    expect([path, top?.finding, kinds[top?.finding ?? '']?.()]).toEqual([path, top?.finding, true]);
  }

  /** What the union shows there is what the mount shows. */
  function expectInMount(path: string, { result, shows }: Told, mount: string): void {
    const found = lstat(`${mount}/${path}`);
    expect([path, found === undefined]).toEqual([path, result === 'absent']);
    if (found === undefined) return;
    expect([path, shows?.mode]).toEqual([path, found.mode & 0o7777]);
    if (!found.isDirectory())
      expect([path, shows?.size, shows?.nlink]).toEqual([path, found.size, found.nlink]);
  }

  it('is what mica explain says, the mount shows and the disk has, whatever was changed', SLOW, async () => {
    scratch.mica('snapshot', 'prepare', 'first');
    scratch.mica('mount', 'first', scratch.path('mnt'));
    sh(`mkdir -p etc data/photos old bin; echo Welcome > etc/motd; echo x > etc/gone; echo k > etc/kept
      echo p > data/photos/one; echo o > old/o; echo vi > bin/vi; ln bin/vi bin/vim; echo ls > bin/ls; ln bin/ls bin/dir
      echo plain > plain; echo mode > mode; head -c 5242880 /dev/zero | tr '\\0' a > big`);
    scratch.mica('umount', scratch.path('mnt'));
    scratch.mica('commit', 'first', 'base');
    scratch.mica('mount', 'base', scratch.path('mnt'), '--key', 'work');
    sh(`echo more >> etc/motd; rm etc/gone; rm -r old; mkdir old; mv data/photos data/pictures; mv plain moved
      echo more >> bin/vi; chmod 600 bin/ls; chmod 600 mode
      printf X | dd of=big bs=1 seek=1000000 conv=notrunc; printf X | dd of=big bs=1 seek=3000000 conv=notrunc`);
    const { id } = JSON.parse(scratch.mica('--json', 'snapshot', 'info', 'work'));
    const all = new Map<string, Told>();
    await withLab([scratch.path('mnt')], '', async (lab) => {
      for (const path of [
        ...[
          'etc',
          'etc/motd',
          'etc/gone',
          'etc/kept',
          'old',
          'data/photos',
          'data/pictures',
          'data/pictures/one',
        ],
        ...['plain', 'moved', 'bin/vi', 'bin/vim', 'bin/ls', 'bin/dir', 'mode', 'big'],
      ]) {
        // By its key: who looks at the mount is an event, which the page would show.
        const told = await expectSame(lab, scratch, path, `work:${path}`);
        expectOnDisk(path, told, scratch.path('root/snapshots', id, 'fs'));
        all.set(path, told);
      }
      const findings = [...all].map(([path, { layers }]) => [path, layers[0]?.finding]);
      expect(Object.fromEntries(findings)).toMatchObject({
        'etc/motd': 'file',
        'etc/gone': 'whiteout',
        'etc/kept': 'nothing',
        old: 'opaque',
        'data/photos': 'whiteout',
        'data/pictures': 'redirect',
        moved: 'metadata',
        'bin/vi': 'file',
        'bin/vim': 'indexed',
        'bin/dir': 'indexed',
        mode: 'metadata',
        big: 'part',
      });
      await select(lab, 'big');
      const ranges = await lab.page.locator('#why-text .ranges li').allTextContents();
      expect(ranges.map((line) => line.replace(/ \(.*\)/, ''))).toEqual([
        'bytes 0 to 999,423 base',
        'bytes 999,424 to 1,003,519 work',
        'bytes 1,003,520 to 2,998,271 base',
        'bytes 2,998,272 to 3,002,367 work',
        'bytes 3,002,368 to 5,242,879 base',
      ]);
    });
    for (const [path, told] of all) expectInMount(path, told, scratch.path('mnt'));
    scratch.mica('umount', scratch.path('mnt'));
  });

  it(
    'is so on mounts of its own, with layers left out, and the chart counts the block that is fetched',
    SLOW,
    async () => {
      await withLab([], 'lesson=sandbox', async (lab) => {
        const { page } = lab;
        const mount = (): string => JSON.parse(scratch.mica('--json', 'mounts'))[0].target;
        const expectAll = async (paths: readonly string[]) => {
          for (const path of paths) {
            const told = await expectSame(lab, scratch, path, `${mount()}/${path}`);
            expectInMount(path, told, mount());
          }
        };
        await lab.type('printf X | dd of=var/db seek=1000000');
        expect(await page.textContent('#bytes-step')).toMatch(/copied up 4\.0 KiB; .* need not be copied\.$/);
        await lab.type('touch etc/hosts');
        expect(await page.textContent('#bytes-step')).toMatch(/copied up no data; .* need not be copied\.$/);
        await expectAll(['etc/motd', 'etc/hosts', 'var/db', 'app/run', 'bin']);
        await lab.type('hide app');
        expect(await page.textContent('#bytes-step')).not.toMatch(/\b0 B/);
        await expectAll(['etc/motd', 'etc/hosts', 'app/run', 'app']);
        await select(lab, 'etc/motd');
        expect(await page.textContent('#why-text .winner b')).toBe('base');
      });
    },
  );
});
