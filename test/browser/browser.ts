// Debian's Chromium, driven by playwright-core, on the page of the lab: what it logs and what it fails to load is kept, and
// a test that leaves any of that behind has failed.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { top } from '../program.js';

export const PAGE = `file://${join(top, 'dist/lab/index.html')}`;
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export async function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
}

export class LabPage {
  readonly page: Page;
  /** What the browser complained of. */
  readonly complaints: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('requestfailed', (request) => {
      // It is open until the page goes.
      if (!request.url().endsWith('/api/events')) this.complaints.push(`${request.url()} failed`);
    });
  }

  /** `query`: of the address (`lesson=3`); nothing moves unless it says so. */
  static async open(
    browser: Browser,
    url: string,
    query = 'lesson=0',
    { width = 1280, height = 720, dark = false } = {},
  ): Promise<LabPage> {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light' });
    const lab = new LabPage(page);
    await page.goto(`${url}?pace=instant&${query}`);
    await lab.idle();
    return lab;
  }

  /** Until the page has nothing left to show. */
  async idle(): Promise<void> {
    await this.page.waitForSelector('#grid .row');
    await this.page.waitForFunction(() => !document.body.hasAttribute('data-busy'));
  }

  /** Answers the question that stands there, and waits for the verdict. */
  async answer(choice: string): Promise<string> {
    await this.page.check(`#lesson-text input[value=${JSON.stringify(choice)}]`);
    await this.page.click('#lesson-text button[type=submit]');
    await this.page.waitForSelector('.verdict');
    await this.idle();
    return (await this.page.getAttribute('.verdict', 'class')) ?? '';
  }

  async type(line: string): Promise<void> {
    await this.page.fill('#line', line);
    await this.page.press('#line', 'Enter');
    await this.page.waitForFunction(
      (typed) =>
        [...document.querySelectorAll('#log .typed')].at(-1)?.textContent?.endsWith(` ${typed}`) === true,
      line,
    );
    await this.idle();
  }

  /** Rules of accessibility that the page breaks, with the elements that do. */
  async axe(): Promise<readonly string[]> {
    await this.page.evaluate(AXE);
    return this.page.evaluate(async () => {
      type Axe = { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
      const { violations } = await (window as unknown as { axe: Axe }).axe.run();
      return violations.map(
        ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`,
      );
    });
  }

  close(): Promise<void> {
    return this.page.close();
  }
}
