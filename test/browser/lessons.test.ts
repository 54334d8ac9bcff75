// Every lesson is played in a browser, on the union in the page and on real mounts; nobody complains, and who does not see
// or point gets along.

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LESSONS } from '../../src/web/lessons/index.js';
import { Scratch } from '../program.js';
import { describeWith } from '../requires.js';
import { LabPage, openBrowser, PAGE } from './browser.js';
import { LabProcess } from './lab-process.js';

let browser: Browser;

/** Plays a lesson to its end with the right answers. */
async function play(lab: LabPage, at: number): Promise<void> {
  const { steps } = LESSONS[at]!;
  for (const [n, { answer, because }] of steps.entries()) {
    expect(await lab.answer(answer)).toContain('right');
    expect(await lab.page.textContent('.verdict')).toContain(because);
    expect(await lab.page.locator('#log .failed').count()).toBe(0);
    if (n < steps.length - 1) await lab.page.click('text=Next question');
  }
  expect(await lab.page.locator('text=Next lesson').count()).toBe(1);
}

describeWith(['program:chromium'], 'lessons in a browser', () => {
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser.close());

  it.each(LESSONS.map(({ title }, at) => [title, at] as const))('from a disk: %s', async (_, at) => {
    const lab = await LabPage.open(browser, PAGE, `lesson=${at}`);
    await play(lab, at);
    expect(await lab.page.textContent('#engine')).toBe('a union in this page');
    expect(await lab.page.locator('#lesson option:checked').textContent()).toContain('✓');
    expect(lab.complaints).toEqual([]);
    await lab.close();
  });

  it('tells what is right to who answers wrongly, and keeps how far somebody came', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=1');
    expect(await lab.answer('none')).toContain('wrong');
    expect(await lab.page.textContent('.verdict')).toContain('It was: 8.');
    await lab.page.reload();
    await lab.idle();
    expect(await lab.page.locator('#lesson option').nth(2).textContent()).toContain('…');
    await lab.close();
  });

  it.each([
    ['light', { width: 1280, height: 720 }],
    ['dark', { width: 1280, height: 720, dark: true }],
    ['on a phone', { width: 390, height: 844 }],
  ])('breaks no rule of accessibility, %s', async (_, view) => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=3', view);
    expect(await lab.axe()).toEqual([]);
    await lab.answer('one, for the folder');
    await lab.page.click('#grid [data-path="var/cache"][data-layer="box"]');
    await lab.idle();
    expect(await lab.axe()).toEqual([]);
    const wide = await lab.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(wide).toBeLessThanOrEqual(0);
    await lab.close();
  });

  it('is used by keyboard alone: arrows in the picture, Enter selects, the time line goes back', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=sandbox');
    const { page } = lab;
    await page.focus('#line');
    await page.keyboard.type('echo more >> etc/motd');
    await page.keyboard.press('Enter');
    await page.waitForFunction(
      () => document.querySelector('#time-label')?.textContent === 'echo more >> etc/motd',
    );
    await lab.idle();
    await page.focus('#grid [tabindex="0"]');
    for (const key of ['End', 'ArrowDown', 'ArrowLeft', 'ArrowLeft', 'Enter']) await page.keyboard.press(key);
    await lab.idle();
    const selected = page.locator('#grid [aria-selected=true]').first();
    expect(await page.textContent('#why-text .subject b')).toBe(await selected.getAttribute('data-path'));
    const upper = page.locator('#grid .upper [data-path="etc/motd"]');
    expect(await upper.locator('.sr').textContent()).toBe('etc/motd in box: file, 13 B, seen in the union');
    await page.focus('#time');
    await page.keyboard.press('ArrowLeft');
    await lab.idle();
    expect(await upper.locator('.sr').textContent()).toBe('etc/motd in box: nothing');
    expect(await page.textContent('#time-label')).toContain('looking back');
    await lab.close();
  });

  it('hides and moves layers in the sandbox, and takes a lesson that somebody wrote', async () => {
    const lab = await LabPage.open(browser, PAGE, 'lesson=sandbox');
    const { page } = lab;
    const motd = page.locator('#grid .merged [data-path="etc/motd"]');
    expect(await motd.textContent()).toContain('from app');
    await page.click('[aria-label="hide app"]');
    await lab.idle();
    expect(await motd.textContent()).toContain('from base');
    await page.click('[aria-label="show app"]');
    await lab.idle();
    await page.click('[aria-label="move app down"]');
    await lab.idle();
    expect(await motd.textContent()).toContain('from base');
    const open = (text: string) =>
      page.setInputFiles('#open-lesson', {
        name: 'own.json',
        mimeType: 'application/json',
        buffer: Buffer.from(text),
      });
    await open('{"title": 1}');
    await page.waitForFunction(() =>
      document
        .querySelector('#notice')
        ?.textContent?.startsWith('own.json is no lesson: title: it is no text'),
    );
    await open(JSON.stringify({ ...LESSONS[0], title: 'My own' }));
    await page.waitForSelector('h2:text("My own")');
    expect(lab.complaints).toEqual([]);
    await lab.close();
  });

  it('keeps what has no place to break within the lesson, and a copy of a lesson apart from it', async () => {
    const lab = await LabPage.open(browser, PAGE);
    const { page } = lab;
    await lab.answer('base');
    const answer = `sha256:${'a'.repeat(64)}`;
    const words = { ask: `${answer}?`, choices: [answer, 'other'], answer, because: answer, say: answer };
    const own = { ...LESSONS[0], about: answer, steps: [{ ...LESSONS[0]!.steps[0]!, ...words }] };
    const isWithin = () =>
      page.evaluate(() => {
        const { right } = document.querySelector('#lesson-text')!.getBoundingClientRect();
        return [...document.querySelectorAll('#lesson-text *')].every((one) => {
          const range = document.createRange();
          range.selectNodeContents(one);
          return (
            Math.max(one.getBoundingClientRect().right, range.getBoundingClientRect().right) <= right + 1
          );
        });
      });
    await page.setInputFiles('#open-lesson', {
      name: 'own.json',
      mimeType: 'application/json',
      buffer: Buffer.from(JSON.stringify(own)),
    });
    await page.waitForSelector('#lesson-text input[value=other]');
    await lab.idle();
    expect(await page.locator('#lesson option:checked').textContent()).toBe(`13. ${own.title}`);
    expect(await isWithin()).toBe(true);
    expect(await lab.answer(answer)).toContain('right');
    expect(await isWithin()).toBe(true);
    expect(await page.locator('#lesson option:checked').textContent()).toBe(`13. ${own.title} ✓ 1 of 1`);
    expect(await page.locator('#lesson option[value="0"]').textContent()).toBe(`1. ${own.title} …`);
    expect(lab.complaints).toEqual([]);
    await lab.close();
  });

  it('shows a copy-up moving, and does without where nobody wants motion', async () => {
    for (const reducedMotion of ['no-preference', 'reduce'] as const) {
      const context = await browser.newContext({ reducedMotion });
      const page = await context.newPage();
      await page.addInitScript(() => {
        const { animate } = Element.prototype;
        Element.prototype.animate = function (...words) {
          document.body.dataset['moved'] = 'yes';
          return animate.apply(this, words);
        };
        // The bytes are gone again in a moment.
        const watch = new MutationObserver(() => {
          if (document.querySelector('#over .byte') !== null) document.body.dataset['bytes'] = 'seen';
        });
        watch.observe(document, { childList: true, subtree: true });
      });
      await page.goto(`${PAGE}?lesson=1`);
      await page.check('#lesson-text input[value="8"]');
      await page.click('#lesson-text button[type=submit]');
      await page.waitForSelector('.verdict');
      await page.waitForSelector('body[data-bytes=seen]');
      const moved = await page.getAttribute('body', 'data-moved');
      expect(moved).toBe(reducedMotion === 'no-preference' ? 'yes' : null);
      await context.close();
    }
  });

  describeWith(['root', 'fuse'], 'on real mounts', () => {
    let scratch: Scratch;
    let served: LabProcess;
    beforeAll(async () => {
      scratch = new Scratch('lab');
      served = await LabProcess.start(scratch);
    });
    afterAll(async () => {
      expect(await served.end()).toBe(0);
      scratch.remove();
    });

    it.each(LESSONS.map(({ title }, at) => [title, at] as const))('%s', async (_, at) => {
      const lab = await LabPage.open(browser, served.url, `lesson=${at}`);
      expect(await lab.page.textContent('#engine')).toBe('a real mount on this machine');
      await play(lab, at);
      expect(lab.complaints).toEqual([]);
      await lab.close();
    });
  });
});

describe('the page', () => {
  it('has twelve lessons', () => expect(LESSONS).toHaveLength(12));
});
