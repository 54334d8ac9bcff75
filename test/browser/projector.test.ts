// On a projector: what one teaches with is in sight at once, without scrolling the page, whatever the stack is.

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { LabPage, openBrowser, PAGE } from './browser.js';

const USED = ['#caption', '#time', '#line', '#offers', '#why .subject', '#why .decided', '#why .costs'];

describeWith(['program:chromium'], 'the page of the lab on a projector', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser.close());

  /** The sandbox with so many sheets, one of them the upper, and a file that was copied up. */
  async function stackOf(sheets: number): Promise<LabPage> {
    const lab = await LabPage.open(browser, PAGE, 'lesson=sandbox');
    for (let n = 3; n < sheets; n++) await lab.type(`layer extra${n} srv/f${n} hello`);
    await lab.type('echo more >> etc/motd');
    return lab;
  }

  /** Those of the elements that can be pointed at neither at the left of their top nor of their bottom. */
  const hidden = ({ page }: LabPage, selectors: readonly string[]) =>
    page.evaluate((selectors) => {
      const isSeen = (one: Element) => {
        const { left, top, bottom } = one.getBoundingClientRect();
        return [top + 3, bottom - 3].every((y) => one.contains(document.elementFromPoint(left + 4, y)));
      };
      return selectors.filter((selector) => {
        const all = [...document.querySelectorAll(selector)];
        return all.length === 0 || !all.every(isSeen);
      });
    }, selectors);

  it.each([4, 5, 6])('with %i sheets all is in sight without scrolling', async (sheets) => {
    const lab = await stackOf(sheets);
    const rows = ['#grid .merged .head', '#grid .sheet .name', '#grid .sheet .tools button'];
    expect(await hidden(lab, [...USED, ...rows])).toEqual([]);
    const beyond = await lab.page.evaluate(() => {
      const { scrollHeight, scrollWidth } = document.documentElement;
      return [scrollHeight > innerHeight, scrollWidth > innerWidth];
    });
    expect(beyond).toEqual([false, false]);
    expect(lab.complaints).toEqual([]);
    expect(await lab.axe()).toEqual([]);
    await lab.close();
  });

  it('with two containers on four layers it is to be read of each who needs it', async () => {
    const lab = await stackOf(5);
    const { page } = lab;
    await lab.type('run two');
    const rows = [
      '#grid .merged .head',
      '#grid .sheet .name',
      '#grid .sheet .tools button',
      '#grid .sheet .needed',
    ];
    expect(await hidden(lab, [...USED, ...rows])).toEqual([]);
    const needed = page.locator('#grid .sheet .needed');
    expect(await needed.locator('[aria-hidden]').allTextContents()).toEqual(Array(4).fill('needed by 2'));
    await lab.type('tag shop');
    expect(await needed.last().getAttribute('title')).toBe('needed by box, two, shop');
    await page.click('.sheet[data-name="base"] .name');
    await lab.idle();
    expect(await page.textContent('#disk-list')).toContain('needed by box, two, shop');
    expect(await hidden(lab, ['#disk-list .needed'])).toEqual([]);
    expect(lab.complaints).toEqual([]);
    expect(await lab.axe()).toEqual([]);
    await lab.close();
  });

  it('says beside the sizes on disk why they are larger than what was copied', async () => {
    const lab = await stackOf(4);
    const { page } = lab;
    expect(await page.textContent('#bytes-step')).toBe('The last step copied up 8 B.');
    expect(await page.textContent('#bytes-bars .bar')).toContain('4.0 KiB');
    expect(await page.textContent('#bytes h2')).toContain('disks give out whole blocks');
    expect(await hidden(lab, ['#bytes h2', '#bytes .unit', '#bytes-step'])).toEqual([]);
    const [all, part] = await page.evaluate(() =>
      ['#bytes h2', '#bytes .unit'].map((one) => document.querySelector(one)!.getBoundingClientRect().height),
    );
    expect(all).toBeLessThan(1.7 * part!);
    await lab.close();
  });

  it('the names of the layers stay readable over columns that are scrolled below them', async () => {
    const lab = await stackOf(5);
    const { page } = lab;
    await lab.type(`touch ${Array.from({ length: 9 }, (_, n) => `f${n}`).join(' ')}`);
    await page.locator('#line').blur();
    const boxes = await page
      .locator('#grid .head')
      .evaluateAll((heads) => heads.map((head) => head.getBoundingClientRect().toJSON() as DOMRect));
    const left = (await page.locator('.scroll').boundingBox())!.x;
    /** How each name looks with the columns so many pixels further to the left. */
    const looks = async (by: number): Promise<readonly string[]> => {
      await page.evaluate(
        (by) =>
          new Promise((drawn) => {
            const scroller = document.querySelector('.scroll')!;
            scroller.addEventListener('scroll', () => requestAnimationFrame(drawn), { once: true });
            scroller.scrollLeft = by;
          }),
        by,
      );
      const shots: string[] = [];
      for (const { y, width, height } of boxes)
        shots.push((await page.screenshot({ clip: { x: left, y, width, height } })).toString('base64'));
      return shots;
    };
    const first = await looks(40);
    for (const by of [75, 110, 145]) {
      const other = (await looks(by)).flatMap((look, row) => (look === first[row] ? [] : [row]));
      expect([by, other]).toEqual([by, []]);
    }
    await lab.close();
  });

  it('with more sheets than fit the stack scrolls below the union, to what has the focus and to what happens', async () => {
    const lab = await stackOf(9);
    const { page } = lab;
    const inSight = (layer: string) => hidden(lab, [`#grid [data-path="etc/motd"][data-layer="${layer}"]`]);
    expect(await hidden(lab, USED)).toEqual([]);
    expect(await inSight('base')).not.toEqual([]);
    await page.focus('#grid .merged [data-path="etc/motd"]');
    for (let n = 0; n < 9; n++) await page.keyboard.press('ArrowDown');
    expect(await inSight('base')).toEqual([]);
    expect(await inSight('')).toEqual([]);
    await lab.type('echo more >> etc/motd');
    await lab.type('rm etc/motd');
    expect(await inSight('box')).toEqual([]);
    await page.click('#grid .merged [data-path="etc/motd"]');
    await lab.idle();
    expect(await hidden(lab, ['#why .subject', '#why .decided'])).toEqual([]);
    await lab.close();
  });
});
