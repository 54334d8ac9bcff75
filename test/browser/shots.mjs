// Takes the pictures of the lab that stand in docs/: node test/browser/shots.mjs. The page is played from the disk.
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const top = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const url = `file://${join(top, 'dist/lab/index.html')}`;

/** Name, size, theme, query, what is answered in turn, and the cell that is selected in the end. */
const SHOTS = [
  { name: 'lab', size: [1280, 720], query: 'lesson=1', answers: ['8'], cell: 'etc/motd' },
  {
    name: 'lab-dark',
    size: [1600, 900],
    dark: true,
    query: 'lesson=4',
    answers: ['none', 'base'],
    cell: 'data/pictures/one',
  },
  {
    name: 'lab-phone',
    size: [390, 844],
    query: 'lesson=2',
    answers: ['the upper has a mark in its place'],
    cell: 'etc/motd',
  },
];

mkdirSync(join(top, 'docs'), { recursive: true });
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
for (const { name, size, dark = false, query, answers, cell } of SHOTS) {
  const [width, height] = size;
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light' });
  const idle = () => page.waitForFunction(() => !document.body.hasAttribute('data-busy'));
  await page.goto(`${url}?pace=instant&${query}`);
  for (const [at, answer] of answers.entries()) {
    if (at > 0) await page.click('text=Next question');
    await page.check(`#lesson-text input[value=${JSON.stringify(answer)}]`);
    await page.click('#lesson-text button[type=submit]');
    await page.waitForSelector('.verdict');
    await idle();
  }
  await page.click(`#grid .merged [data-path="${cell}"]`);
  await idle();
  await page.mouse.move(2, height - 2);
  await page.waitForTimeout(700);
  await page.screenshot({ path: join(top, `docs/${name}.png`) });
  await page.close();
}
await browser.close();
