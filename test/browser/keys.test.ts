// Without a pointer, and with a thumb: letters lead to the parts of the page, Tab goes the way of the eye, nothing that one
// needs is small, lies sideways or waits in a tooltip.

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LESSONS } from '../../src/web/lessons/index.js';
import { describeWith } from '../requires.js';
import { LabPage, openBrowser, PAGE } from './browser.js';

const PHONES = [
  { width: 360, height: 740 },
  { width: 390, height: 844 },
];

describeWith(['program:chromium'], 'the page of the lab without a mouse', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser.close());

  /** The part of the page that has the focus. */
  const part = ({ page }: LabPage) =>
    page.evaluate(() => document.activeElement?.closest('section, header, nav, dialog')?.id ?? '');

  /** What Tab reaches from the top, part by part, and how many stops each has. */
  async function tabs(lab: LabPage): Promise<readonly [string, number][]> {
    const stops: [string, number][] = [];
    await lab.page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
    for (let at = 0; at < 60; at++) {
      await lab.page.keyboard.press('Tab');
      const isOut = await lab.page.evaluate(() => document.activeElement === document.body);
      if (isOut) break;
      const on = await part(lab);
      const last = stops.at(-1);
      if (last?.[0] === on) last[1]++;
      else stops.push([on, 1]);
    }
    return stops;
  }

  it('Tab goes the way of the eye, with one stop for all cells, names and tools of the picture', async () => {
    const wide = await LabPage.open(browser, PAGE, 'lesson=0');
    const stops = (await tabs(wide)).filter(([on]) => on !== '');
    expect(stops.map(([on]) => on)).toEqual(['lesson-box', 'stage', 'terminal', 'disk', 'why']);
    await wide.close();
    const sandbox = await LabPage.open(browser, PAGE, 'lesson=sandbox');
    const counts = new Map(await tabs(sandbox));
    // The picture, back, the range, forward, again.
    expect(counts.get('stage')).toBe(5);
    await sandbox.page.focus('#grid [tabindex="0"]');
    for (const key of ['ArrowDown', 'ArrowDown', 'Home']) await sandbox.page.keyboard.press(key);
    const label = () => sandbox.page.evaluate(() => document.activeElement?.getAttribute('aria-label'));
    expect(await label()).toBe('app: show it on disk');
    for (let n = 0; n < 2; n++) await sandbox.page.keyboard.press('ArrowRight');
    expect(await label()).toBe('move app down');
    await sandbox.page.keyboard.press('Enter');
    await sandbox.page.waitForFunction(
      () => document.querySelector<HTMLElement>('.sheet:last-child')?.dataset['name'] === 'app',
    );
    await sandbox.idle();
    expect(await label()).toBe('move app down');
    await sandbox.close();
  });

  it('letters lead to each part, and are letters where one types or has turned them off', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=1');
    const { keyboard } = lab.page;
    for (const [key, id] of [
      ['p', 'stage'],
      ['d', 'disk'],
      ['w', 'why'],
      ['b', 'bytes'],
      ['l', 'lesson-box'],
      ['t', 'terminal'],
    ] as const) {
      await keyboard.press(key);
      expect([key, await part(lab)]).toEqual([key, id]);
    }
    await keyboard.type('pwd');
    expect(await lab.page.inputValue('#line')).toBe('pwd');
    await keyboard.press('Escape');
    expect(await part(lab)).toBe('stage');
    await keyboard.press('?');
    expect(await part(lab)).toBe('help');
    expect(await lab.axe()).toEqual([]);
    await lab.page.uncheck('#letters');
    await keyboard.press('Escape');
    await keyboard.press('w');
    expect(await part(lab)).not.toBe('why');
    await lab.close();
  });

  it('letters lead on from a list too, but for those by which one of its entries begins', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=1');
    const { page } = lab;
    for (const [key, id] of [
      ['l', 'lesson-box'],
      ['d', 'disk'],
    ] as const) {
      await page.focus('#lesson');
      await page.keyboard.press(key);
      expect([key, await part(lab)]).toEqual([key, id]);
    }
    await page.focus('#pace');
    await page.keyboard.press('s');
    expect([await page.evaluate(() => document.activeElement?.id), await page.inputValue('#pace')]).toEqual([
      'pace',
      'step',
    ]);
    await lab.close();
  });

  it('N says what is to be done where there is nothing to go on to', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=1');
    const { page } = lab;
    const focused = () =>
      page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent);
    await page.keyboard.press('n');
    expect(await page.textContent('#caption')).toMatch(/choose one, then press Answer and run\.$/);
    expect(await focused()).toBe('choice-0');
    await page.check('#lesson-text input[value="8"]');
    await page.keyboard.press('n');
    expect(await page.textContent('#caption')).toBe('The answer 8 is chosen: press Answer and run.');
    expect(await focused()).toBe('Answer and run');
    await page.selectOption('#lesson', 'sandbox');
    await lab.idle();
    await page.keyboard.press('n');
    expect(await page.textContent('#caption')).toMatch(/^There is no question here/);
    await lab.close();
  });

  it('who goes step by step has the button under the hand, and then the focus where it was', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=sandbox');
    const { page } = lab;
    await page.selectOption('#pace', 'step');
    await page.focus('#line');
    await page.keyboard.type('echo more >> etc/motd');
    await page.keyboard.press('Enter');
    const focused = () => page.evaluate(() => document.activeElement?.id);
    await page.waitForSelector('#next:not([hidden])');
    expect(await focused()).toBe('next');
    const isBusy = () => page.evaluate(() => document.body.hasAttribute('data-busy'));
    while (await isBusy()) {
      expect(['next', 'line']).toContain(await focused());
      if ((await focused()) === 'next') await page.keyboard.press('n');
    }
    expect(await focused()).toBe('line');
    expect(await page.inputValue('#line')).toBe('');
    await lab.close();
  });

  it('the focus stays on the arrow of the time line that was pressed, and on a line that was clicked', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=sandbox');
    const { page } = lab;
    await page.focus('#offers button');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelector('#log .typed') !== null);
    await lab.idle();
    expect(await part(lab)).toBe('terminal');
    await page.focus('#back');
    for (let at = 0; at < 3; at++) await page.keyboard.press('Enter');
    await lab.idle();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('back');
    await lab.close();
  });

  it('nothing waits in a tooltip: what a cell means is said when it is selected', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=6');
    const { page } = lab;
    await lab.answer('20,000');
    await page.click('text=Next question');
    await lab.answer('4,096');
    expect(await page.locator('[title]:not(iframe)').count()).toBe(0);
    await page.click('#grid [data-path="var/db"][data-layer="base"]');
    await lab.idle();
    expect(await page.textContent('#caption')).toBe('var/db in base: file, 6.0 MiB, seen in the union.');
    expect(await page.locator('.ranges li').allTextContents()).toEqual([
      'bytes 0 to 999,423 (976 KiB) base',
      'bytes 999,424 to 1,003,519 (4.0 KiB) box',
      'bytes 1,003,520 to 6,291,455 (5.0 MiB) base',
    ]);
    await lab.close();
  });

  it.each(PHONES)(
    'on a phone of $width x $height the picture is in sight with what is said of it',
    async (size) => {
      const lab = await LabPage.open(browser, PAGE, 'lesson=1', size);
      const { page } = lab;
      const inSight = (selector: string) =>
        page.evaluate((selector) => {
          const { top, bottom } = document.querySelector(selector)!.getBoundingClientRect();
          return { begins: top >= -1 && top < innerHeight - 80, ends: bottom <= innerHeight + 1 };
        }, selector);
      await page.evaluate(() => {
        const watch = new MutationObserver(() => {
          const { top, bottom } = document.querySelector('#stage')!.getBoundingClientRect();
          document.body.dataset['seen'] = String(top < innerHeight / 2 && bottom > innerHeight / 2);
        });
        watch.observe(document.querySelector('#caption')!, { childList: true });
      });
      for (const { answer } of LESSONS[1]!.steps) {
        await lab.answer(answer);
        expect(await page.getAttribute('body', 'data-seen')).toBe('true');
        expect(await inSight('.verdict')).toEqual({ begins: true, ends: true });
        expect((await inSight('.go')).ends).toBe(true);
        expect((await inSight('#stage')).begins).toBe(true);
        const next = page.locator('.go button', { hasText: 'Next question' });
        if ((await next.count()) === 0) break;
        await next.click();
        expect((await inSight('#say')).begins).toBe(true);
      }
      await lab.close();
    },
  );

  it.each(PHONES)('on a phone of $width x $height all is in one column and large enough', async (size) => {
    for (const query of ['lesson=0', 'lesson=4', 'lesson=10', 'lesson=sandbox']) {
      const lab = await LabPage.open(browser, PAGE, query, size);
      const { page } = lab;
      if (query === 'lesson=sandbox') await lab.type('run two');
      await page.click('#grid .merged .cell.file');
      await page.click('#menu');
      await lab.idle();
      const tops = await page.evaluate(() =>
        ['lesson-box', 'stage', 'terminal', 'bytes', 'why', 'disk'].map(
          (id) => document.getElementById(id)!.getBoundingClientRect().top,
        ),
      );
      expect(tops).toEqual(tops.toSorted((a, b) => a - b));
      const sideways = await page.evaluate(() =>
        ['html', '.scroll', '#offers', '#log', '#disk-list'].filter((one) => {
          const box = document.querySelector(one)!;
          return box.scrollWidth > box.clientWidth;
        }),
      );
      expect([query, sideways]).toEqual([query, []]);
      const small = await page.evaluate(() => {
        const wanted =
          'button, select, input:not([type=radio], [type=file], [type=checkbox]), fieldset label, .upload';
        return [...document.querySelectorAll<HTMLElement>(wanted)].flatMap((one) => {
          const { width, height } = one.getBoundingClientRect();
          const least = one.matches('.head .name') ? 24 : 44;
          const isSmall = one.offsetParent !== null && (width < least || height < least);
          return isSmall ? [`${one.outerHTML.slice(0, 80)} ${width} x ${height}`] : [];
        });
      });
      expect([query, small]).toEqual([query, []]);
      expect(await lab.axe()).toEqual([]);
      await lab.close();
    }
  });
});
