// A live mount whose page stays true: what is written past the server, sums of all of it whatever folder is drawn, and a
// picture that moves only where there is something new to see, and says where it is.

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Scratch } from '../program.js';
import { describeWith } from '../requires.js';
import { LabPage, openBrowser } from './browser.js';
import { LabProcess } from './lab-process.js';

describeWith(['root', 'fuse', 'program:chromium'], 'a live mount that is watched', () => {
  let browser: Browser;
  let scratch: Scratch;
  let served: LabProcess;
  let lab: LabPage;
  const sh = (script: string) =>
    execFileSync('timeout', ['60', 'sh', '-ec', script], { cwd: scratch.path('mnt'), encoding: 'utf8' });

  /** A mount of plain folders with so many files in `many`, and the lab on it. */
  const start = async (count: number): Promise<void> => {
    scratch = new Scratch('watch');
    for (const name of ['base/etc', 'base/many', 'base/data', 'app/etc', 'upper', 'work', 'mnt'])
      mkdirSync(scratch.path(name), { recursive: true });
    writeFileSync(scratch.path('base/etc/motd'), 'Welcome\n');
    writeFileSync(scratch.path('base/data/big'), Buffer.alloc(1 << 20, 'x'));
    writeFileSync(scratch.path('app/etc/app'), 'app\n');
    for (let n = 0; n < count; n++) writeFileSync(scratch.path(`base/many/${n}`), `${n}`);
    const lower = `${scratch.path('app')}:${scratch.path('base')}`;
    const changes = ['--upper', scratch.path('upper'), '--work', scratch.path('work')];
    scratch.mica('mount', '--lower', lower, ...changes, scratch.path('mnt'));
    served = await LabProcess.start(scratch, scratch.path('mnt'));
    lab = await LabPage.open(browser, served.url, '');
  };
  const bar = async (name: string) => {
    const bars = await lab.page.locator('#bytes-bars .bar').allTextContents();
    return bars.find((text) => text.startsWith(name));
  };
  const shows = (path: string) => lab.page.locator(`#grid .merged [data-path="${path}"]`).count();
  const until = (selector: string, text: string | RegExp) =>
    lab.page.locator(selector, { hasText: text }).first().waitFor({ state: 'attached' });

  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    await lab.close();
    expect(await served.end()).toBe(0);
    scratch.mica('umount', scratch.path('mnt'));
    scratch.remove();
  });

  it('shows what is written to a file that is in the upper already, and what is new there', async () => {
    await start(3);
    sh('echo more >> etc/motd');
    await until('#disk-list', '13 etc/motd');
    // With passthrough the kernel writes this by itself.
    sh('dd if=/dev/zero of=etc/motd bs=100k count=3 conv=notrunc status=none');
    await until('#disk-list', '307200 etc/motd');
    await until('#grid .merged [data-path="etc/motd"]', '300 KiB');
    await until('#bytes-bars .bar:first-child', /3[01]\d KiB/);
    expect(await lab.page.textContent('#caption')).toContain('etc/motd');
    sh('echo new > data/new; mkdir etc/sub');
    await until('#disk-list', 'data/new');
    await until('#disk-list', 'etc/sub');
    expect(lab.complaints).toEqual([]);
  });

  it('draws all of a small mount, wherever something happens', async () => {
    await start(3);
    const before = await bar('base');
    expect(before).toMatch(/1\.\d MiB/);
    sh('echo more >> etc/motd');
    await until('#disk-list', '13 etc/motd');
    await lab.idle();
    expect([await shows('data/big'), await shows('etc/motd')]).toEqual([1, 1]);
    expect(await lab.page.textContent('#more')).toBe('');
    expect(await bar('base')).toBe(before);
  });

  it('stays where somebody looks, leads to where something happens, and sums up all of it', async () => {
    await start(80);
    const { page } = lab;
    const sums = [await bar('base'), await bar('a whole copy')];
    expect(sums[0]).toMatch(/1\.\d MiB/);
    sh('echo more >> etc/motd');
    await until('#caption', 'etc/motd');
    await until('#elsewhere:not([hidden])', 'Show etc, where this happened');
    await lab.idle();
    expect([await page.textContent('#more'), await shows('data'), await shows('etc/motd')]).toEqual([
      '',
      1,
      0,
    ]);
    await page.keyboard.press('g');
    await until('#more', 'Drawn is the folder etc alone; the bytes are those of the whole mount.');
    await lab.idle();
    expect(await shows('data')).toBe(0);
    expect(await bar('base')).toBe(sums[0]);
    expect(await bar('a whole copy')).toBe(sums[1]);
    sh('rm data/big');
    await until('#elsewhere', 'Show data, where this happened');
    await lab.idle();
    expect([await shows('etc/motd'), await shows('data')]).toEqual([1, 0]);

    // What was is drawn as it was looked at then, and the other folder of that moment is one key away.
    const label = () => page.textContent('#time-label');
    const back = async (to: string) => {
      while (!(await label())?.includes(to)) {
        await page.click('#back');
        await lab.idle();
      }
    };
    await back('whiteout data/big');
    expect([await shows('etc/motd'), await shows('data')]).toEqual([1, 0]);
    await back('copy-up etc');
    expect([await shows('data'), await shows('etc/motd')]).toEqual([1, 0]);
    await page.keyboard.press('g');
    await until('#elsewhere', 'Back to the whole mount');
    await lab.idle();
    expect([await shows('data'), await shows('etc/motd')]).toEqual([0, 1]);
    await page.keyboard.press('g');
    await until('#elsewhere', 'Show etc');
    await lab.idle();
    expect([await shows('data'), await shows('etc/motd')]).toEqual([1, 0]);

    await lab.type('cd data');
    await until('#more', 'Drawn is the folder data alone');
    sh('echo more >> etc/app');
    await until('#caption', 'etc/app');
    await lab.idle();
    expect(await lab.page.textContent('#more')).toContain('Drawn is the folder data alone');
    sh('rm -r data');
    await lab.page.waitForFunction(
      () => document.querySelector('#more')?.textContent?.includes('data') === false,
    );
    expect(lab.complaints).toEqual([]);
  });

  it('says of a folder that is not drawn what was made there, and leads to it', async () => {
    await start(80);
    await lab.type('mkdir etc/sub');
    await until('#caption', 'mkdir etc/sub: Copy-up: etc is made in upper. etc/sub is new in upper.');
    await until('#elsewhere:not([hidden])', 'Show etc, where this happened');
    sh('echo more > data/new');
    await until('#caption', 'Copy-up: data is made in upper. data/new is new in upper.');
    expect(lab.complaints).toEqual([]);
  });

  it('says what the last step copied, also when all of it has been counted again', async () => {
    await start(3);
    await lab.type('echo more >> data/big');
    await until('#bytes-bars .bar:first-child', /[1-9][\d.]* MiB/);
    await lab.idle();
    expect(await lab.page.textContent('#bytes')).toContain('The last step copied up 1.0 MiB');
    expect(lab.complaints).toEqual([]);
  });

  it('keeps what somebody has selected, whatever others look at, until it is let go of', async () => {
    await start(3);
    const { page } = lab;
    const subject = () => page.textContent('#why-text .subject b');
    await page.click('#grid .merged [data-path="data/big"]');
    await lab.idle();
    sh('cat etc/motd');
    await until('#time-label', 'lookup');
    await lab.idle();
    expect(await subject()).toBe('data/big');
    await page.focus('#grid [tabindex="0"]');
    await page.keyboard.press('Escape');
    await page.waitForFunction(
      () => document.querySelector('#why-text .subject b')?.textContent !== 'data/big',
    );
    sh('cat etc/app');
    await until('#why-text .subject b', /^etc/);
    expect(lab.complaints).toEqual([]);
  });

  it('counts the steps once, also those that come while somebody looks back', async () => {
    await start(3);
    const { page } = lab;
    const counts = async () => {
      const all = [await page.textContent('#time-label'), await page.textContent('#caption')];
      return [...all.join(' ').matchAll(/(\d+) of (\d+)/g)].map(([, step, last]) => [step, last]);
    };
    for (const name of ['one', 'two']) {
      sh(`echo more >> etc/${name}`);
      await until('#disk-list', `etc/${name}`);
    }
    await lab.idle();
    const before = await page.getAttribute('#time', 'max');
    await page.click('#back');
    await lab.idle();
    expect(await counts()).toEqual([[String(Number(before) - 1), before]]);
    sh('rm etc/app');
    await page.waitForFunction(
      (before) => document.querySelector<HTMLInputElement>('#time')!.max !== before,
      before,
    );
    await lab.idle();
    expect(await counts()).toEqual([[String(Number(before) - 1), await page.getAttribute('#time', 'max')]]);
    expect(lab.complaints).toEqual([]);
  });

  it('says that the mount has gone', async () => {
    await start(3);
    scratch.mica('umount', scratch.path('mnt'));
    await until('#notice', 'The mount is gone.');
    expect(await lab.page.textContent('#engine')).toBe('the mount is gone');
    scratch.mica('mount', '--lower', scratch.path('base'), scratch.path('mnt'));
  });
});
