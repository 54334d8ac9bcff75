// What the page itself must do whatever is played on it: the words under the picture are about the last thing done, and
// who uses a keyboard is never sent back to the top.

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { LabPage, openBrowser, PAGE } from './browser.js';

describeWith(['program:chromium'], 'the page of the lab', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser.close());

  const caption = ({ page }: LabPage) => page.textContent('#caption');

  it('speaks of the last thing done, also where nothing of it is drawn', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=sandbox');
    const lines = ['rm etc/motd', 'run two', 'use box', 'ls etc', 'hide app', 'kill two', 'gc', 'cat none'];
    for (const line of lines) {
      await lab.type(line);
      expect(await caption(lab)).toMatch(new RegExp(`^${line}: .{10}`));
    }
    await lab.page.click('#back');
    await lab.idle();
    expect(await caption(lab)).toMatch(/^Looking back\. gc: /);
    expect(await lab.page.textContent('#time-label')).toBe('looking back: gc (step 7 of 8)');
    await lab.page.click('#again');
    await lab.idle();
    expect(await caption(lab)).toMatch(/^Looking back\. gc: /);
    expect(await lab.page.textContent('#time-label')).toBe('looking back: gc (step 7 of 8)');
    await lab.page.click('#forward');
    await lab.idle();
    expect(await caption(lab)).toMatch(/^cat none: It failed/);
    await lab.page.click('#back');
    await lab.type('ls');
    expect(await lab.page.textContent('#time-label')).toBe('ls');
    expect(await caption(lab)).toMatch(/^ls: It prints/);
    expect(lab.complaints).toEqual([]);
    await lab.close();
  });

  it('plays the first and the last of many changes, and says how many it leaves out', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=sandbox');
    await lab.type('layer many');
    for (let n = 10; n < 26; n++) await lab.type(`echo ${n} > d${n}`);
    await lab.type('commit files');
    await lab.page.evaluate(() => {
      const said: string[] = [];
      Object.assign(window, { said });
      const caption = document.querySelector('#caption')!;
      new MutationObserver(() => said.push(caption.textContent ?? '')).observe(caption, { childList: true });
    });
    await lab.type(`rm ${Array.from({ length: 16 }, (_, n) => `d${n + 10}`).join(' ')}`);
    const said = await lab.page.evaluate(() => (window as unknown as { said: string[] }).said);
    const hides = (name: string) => `Whiteout: box gets a mark that hides ${name}.`;
    expect(said).toContain(hides('d10'));
    expect(said).toContain(`After 4 other changes: ${hides('d25')}`);
    expect(await caption(lab)).toContain(`${hides('d10')} Then, after 14 other changes: ${hides('d25')}`);
    await lab.close();
  });

  it('puts the focus on the next question, and on what comes after an answer', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=0');
    const focused = () =>
      lab.page.evaluate(() => {
        const { activeElement } = document;
        return activeElement instanceof HTMLInputElement ? activeElement.value : activeElement?.textContent;
      });
    await lab.answer('base');
    expect(await focused()).toBe('Next question');
    await lab.page.keyboard.press('Enter');
    expect(await focused()).toBe('Welcome');
    await lab.page.keyboard.press('ArrowDown');
    await lab.page.keyboard.press('Enter');
    await lab.page.waitForSelector('.verdict.right');
    await lab.close();
  });

  it('tells why of what is no longer to be seen, and offers lines that can be run', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=sandbox');
    await lab.type('rm bin/sh');
    expect(await lab.page.textContent('#why-text')).toContain('bin/sh');
    await lab.type('echo a > "my file"');
    await lab.page.click('#offers button:has-text("rm ")');
    await lab.idle();
    expect(await caption(lab)).toMatch(/^rm "my file": my file is gone/);
    await lab.page.keyboard.press('n');
    expect(lab.complaints).toEqual([]);
    await lab.close();
  });

  it('shows on the disk the upper again when the union or the upper is turned to, and the selected row', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=sandbox');
    const { page } = lab;
    const shown = async () => {
      await lab.idle();
      return page.textContent('#disk-name');
    };
    const turnToBase = async () => {
      await page.click('[aria-label="base: show it on disk"]');
      expect(await shown()).toBe('base');
    };
    await turnToBase();
    await page.click('#grid .merged [data-path="etc/motd"]');
    expect(await shown()).toBe('box');
    await page.click('#grid [data-name="base"] [data-path="etc/motd"]');
    expect(await shown()).toBe('base');
    expect(await page.textContent('#disk-list [aria-current="true"] b')).toBe('etc/motd');
    await lab.type('cat etc/hosts');
    expect(await shown()).toBe('base');
    const names = Array.from({ length: 30 }, (_, at) => `n${at + 10}`);
    await lab.type(`touch ${names.join(' ')}`);
    expect(await shown()).toBe('box');
    await turnToBase();
    await page.click('#grid [data-name="box"] [data-path="n39"]');
    expect(await shown()).toBe('box');
    const outside = await page.locator('#disk-list [aria-current="true"]').evaluate((row) => {
      const place = document.querySelector('#disk-list')!.getBoundingClientRect();
      const { top, bottom } = row.getBoundingClientRect();
      return Math.max(place.top - top, bottom - place.bottom);
    });
    // Scrolling goes by whole pixels.
    expect(outside).toBeLessThan(1);
    expect(lab.complaints).toEqual([]);
    await lab.close();
  });

  it('selects with a path what a redirect leads to', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=sandbox');
    await lab.type('mv app tools');
    await lab.page.click('#grid .merged [data-path="tools/run"]');
    await lab.idle();
    const selected = lab.page.locator('#grid .sheet[data-name="app"] [aria-selected=true]');
    expect(await selected.evaluateAll((all) => all.map((one) => one.dataset['path']))).toContain('app/run');
    await lab.close();
  });

  it('says of a selected path in the past that why is told of what is now', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=sandbox');
    const why = () => lab.page.textContent('#why-text');
    expect(await why()).toMatch(/^Select a cell/);
    await lab.type('echo new > etc/hosts');
    await lab.page.click('#back');
    await lab.idle();
    expect(await why()).toMatch(/^etc\/hosts as it was then: /);
    await lab.page.click('#forward');
    await lab.idle();
    expect(await why()).toContain('Layer box');
    await lab.close();
  });

  it('names the opaque folder on the way to what nobody looks at', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=sandbox');
    await lab.type('rm -r bin');
    await lab.type('mkdir bin');
    await lab.page.click('#grid .sheet[data-name="base"] [data-path="bin/sh"]');
    await lab.idle();
    const why = await lab.page.textContent('#why-text');
    expect(why).toContain('No layer that is looked at has it.');
    expect(why).toContain('in bin: folder of box (opaque)');
    await lab.close();
  });

  it('shows on the disk where a layer lies, and how the index joins the names of a hard link', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=5');
    const { page } = lab;
    const index = () => page.locator('#disk-list .index li').allTextContents();
    expect(await page.textContent('#disk-list .place')).toBe('a folder in the memory of this page');
    expect(await index()).toEqual([]);
    await lab.answer('the new content');
    expect(await index()).toEqual([
      expect.stringMatching(/-rw-r--r-- 2 +12 \S+the same file as bin\/vi; bin\/vim is found by this key/),
    ]);
    await page.click('text=Next question');
    await lab.answer('none');
    await page.click('text=Next question');
    await lab.answer('yes');
    const [entry] = (await index()).filter((text) => text.includes('bin/vim'));
    expect(entry).toMatch(/-rw-r--r-- 1 .*no name here; bin\/vim is found by this key/);
    await page.click('.sheet[data-name="base"] .name');
    await lab.idle();
    expect(await index()).toEqual([]);
    expect(lab.complaints).toEqual([]);
    await lab.close();
  });

  it('names images on the sheets, and shows which sheet gc takes and which it leaves', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=10');
    const { page } = lab;
    const head = (layer: string) => page.locator(`.sheet[data-name="${layer}"] .head`).textContent();
    await lab.answer('no');
    expect(await head('v1')).toMatch(/image shop:1.*not under other.*needed by shop:1/);
    expect(await head('base')).toContain('needed by other, shop:1');
    await page.click('text=Next question');
    await lab.answer('no');
    expect(await head('v1')).toMatch(/needed by shop:2/);
    expect(await head('v1')).not.toContain('shop:1');
    await page.click('text=Next question');
    await lab.answer('nothing');
    expect(await head('v2')).toContain('needed by till');
    await lab.type('kill till');
    expect(await head('v2')).toContain('needed by nothing');
    await page.evaluate(() => {
      const watch = new MutationObserver(() => {
        for (const one of document.querySelectorAll<HTMLElement>('.vanishing'))
          document.body.dataset[`gone${one.dataset['name']}`] = 'yes';
      });
      watch.observe(document, { subtree: true, attributes: true, attributeFilter: ['class'] });
    });
    await lab.type('gc');
    const left = await page.locator('.sheet').evaluateAll((all) => all.map((one) => one.dataset['name']));
    expect(left).toEqual(['other', 'base']);
    expect(await page.getAttribute('body', 'data-gonev1')).toBe('yes');
    expect(await page.getAttribute('body', 'data-gonebase')).toBe(null);
    expect(await caption(lab)).toBe(
      'gc: v2, v1 are removed: no image names them, and no container stands on them.',
    );
    await lab.close();
  });

  it('draws a layer in one colour wherever it is named', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=sandbox');
    const { page } = lab;
    await lab.type('run two');
    await lab.type('echo more >> etc/motd');
    await page.click('#grid [data-path="etc/motd"][data-layer=""]');
    await lab.idle();
    for (const name of ['two', 'app', 'base']) {
      const places =
        name === 'two'
          ? ['.sheet', '#why', '#bytes', '#prompt', '#log', '#containers']
          : ['.sheet', '#why', '#bytes'];
      const colours = await page.evaluate(
        ({ name, places }) =>
          places.map((place) => {
            const all = [...document.querySelectorAll(`${place} .layer`)];
            const patch = all.find((one) => one.textContent === name);
            return patch === undefined
              ? `not in ${place}`
              : getComputedStyle(patch, '::before').backgroundColor;
          }),
        { name, places },
      );
      const [cell] = await page
        .locator(`.sheet[data-name="${name}"] .cell.file`)
        .evaluateAll((all) => all.map((one) => getComputedStyle(one).backgroundColor));
      expect(new Set([cell, ...colours])).toEqual(new Set([cell]));
    }
    await lab.close();
  });

  it.each([
    { width: 1280, height: 720 },
    { width: 800, height: 1000 },
    { width: 390, height: 844 },
    { width: 360, height: 740 },
  ])('leads an arrow to each lower part without crossing any text, at $width x $height', async (size) => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=sandbox', size);
    const lines = [
      'layer extra srv/www hello',
      'layer more opt/tool tool',
      'mv bin tools',
      'mv var/db var/data',
    ];
    for (const line of [...lines, 'mv srv web', 'mv opt lib']) await lab.type(line);
    const crossed = await lab.page.evaluate(() => {
      const walker = document.createTreeWalker(document.querySelector('#grid')!, NodeFilter.SHOW_TEXT);
      const texts: { text: string; box: DOMRect }[] = [];
      for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
        if (node.parentElement?.closest('.sr') !== null || node.textContent?.trim() === '') continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        for (const box of range.getClientRects()) texts.push({ text: node.textContent ?? '', box });
      }
      const origin = document.querySelector('#over')!.getBoundingClientRect();
      return [...document.querySelectorAll<SVGPathElement>('.redirect-line')].map((line) => {
        const found = new Set<string>();
        for (let at = 0; at <= line.getTotalLength(); at += 2) {
          const { x, y } = line.getPointAtLength(at);
          for (const { text, box } of texts) {
            const [left, top] = [x + origin.left, y + origin.top];
            if (left > box.left && left < box.right && top > box.top && top < box.bottom) found.add(text);
          }
        }
        return [...found];
      });
    });
    expect(crossed).toEqual([[], [], [], []]);
    await lab.close();
  });

  it('has the digests on the sheets where a lesson is about them', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=9');
    const ids = async (what: string) =>
      lab.page.evaluate((what) => {
        const sheets = [...document.querySelectorAll<HTMLElement>('.sheet:not(.upper)')];
        const line = (sheet: HTMLElement) =>
          [...sheet.querySelectorAll('.digest')].find((one) => one.textContent?.startsWith(what));
        return Object.fromEntries(sheets.map((one) => [one.dataset['name'], line(one)?.textContent]));
      }, what);
    const [diff, chain] = [await ids('diff ID'), await ids('chain ID')];
    expect(diff['two']).toMatch(/^diff ID [0-9a-f]{6}$/);
    await lab.answer('none');
    expect(await ids('diff ID')).toEqual(diff);
    const after = await ids('chain ID');
    expect(after['base']).toBe(chain['base']);
    for (const name of ['one', 'two']) expect(after[name]).not.toBe(chain[name]);
    await lab.close();
  });
});
