// What a page says when the lab behind it is gone, back, in another tab, or another one: in plain words, with what to do.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { newToken } from '../../dist/src/cli/lab/gate.js';
import { serveLab } from '../../dist/src/cli/lab/server.js';
import { OneTab } from '../../dist/src/cli/lab/tabs.js';
import { MemoryBackend } from '../../dist/src/web/memory.js';
import { World } from '../../dist/src/web/world.js';
import { top } from '../program.js';
import { describeWith } from '../requires.js';
import { LabPage, openBrowser } from './browser.js';

/** The server of the lab as it is, on a union in memory in the place of mounts: what is tried here is the link to it. */
const PAGE = join(top, 'dist/lab');
type LabServer = Awaited<ReturnType<typeof serveLab>>;

describeWith(['program:chromium'], 'the link between page and lab', () => {
  let browser: Browser;
  const token = newToken();
  let port = 0;
  let server: LabServer | undefined;

  const start = async (): Promise<string> => {
    const world = new World(new MemoryBackend());
    const lab = {
      engine: 'mount' as const,
      load: world.load.bind(world),
      state: world.state.bind(world),
      run: world.run.bind(world),
      explain: world.explain.bind(world),
    };
    server = await serveLab({
      page: PAGE,
      port,
      token,
      command: "mica lab --port '7 7'",
      tabs: new OneTab(lab),
    });
    port = Number(new URL(server.url).port);
    return server.url;
  };
  const stop = async (): Promise<void> => {
    await server?.close();
    server = undefined;
  };
  const notice = (lab: LabPage) => lab.page.textContent('#notice');
  const noticed = (lab: LabPage, text: string) => lab.page.waitForSelector(`#notice:has-text("${text}")`);

  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser.close());
  beforeEach(() => {
    port = 0;
  });
  afterEach(stop);

  it('says that the lab has ended, how to start it again, and goes on when it answers again', async () => {
    const lab = await LabPage.open(browser, await start(), 'lesson=sandbox');
    expect(await lab.page.textContent('#engine')).toBe('a real mount on this machine');
    expect(await lab.page.isVisible('#notice')).toBe(false);
    await stop();
    await noticed(lab, 'The lab behind this page has ended');
    const close = lab.page.locator('#notice button');
    expect(await close.evaluate((button) => button.scrollWidth - button.clientWidth)).toBe(0);
    expect(await notice(lab)).toContain("Start it again with mica lab --port '7 7' and open the address");
    expect(await lab.page.textContent('#engine')).toBe('the lab has ended');
    await lab.type('ls');
    expect(await lab.page.textContent('#log .failed')).toBe('the lab has ended');
    await start();
    await lab.page.waitForSelector('#notice', { state: 'hidden' });
    await lab.idle();
    expect(await lab.page.textContent('#engine')).toBe('a real mount on this machine');
    await lab.type('ls etc');
    expect(await lab.page.locator('#log').textContent()).toContain('motd');
    await lab.close();
  });

  it('says that another lab answers in its place', async () => {
    const lab = await LabPage.open(browser, await start(), 'lesson=sandbox');
    await stop();
    const other: Server = createServer((_, response) => {
      response.writeHead(403);
      response.end();
    });
    await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
    expect((other.address() as AddressInfo).port).toBe(port);
    await noticed(lab, 'another one answers in its place');
    await lab.close();
    other.closeAllConnections();
    other.close();
  });

  it('a second tab takes the lab over and says so; the first says so, too, and can take it back', async () => {
    const url = await start();
    const first = await LabPage.open(browser, url, 'lesson=sandbox');
    await first.type('echo one > mine');
    const second = await LabPage.open(browser, url, 'lesson=1');
    await noticed(second, 'This lab was open in another tab');
    await noticed(first, 'Another tab has taken over this lab');
    expect(await first.page.textContent('#engine')).toBe('open in another tab');
    await first.type('ls');
    expect(await first.page.textContent('#log .failed')).toBe('another tab has taken over this lab');
    expect(await second.page.textContent('#grid')).not.toContain('mine');

    await first.page.click('text=Take it back');
    await noticed(first, 'This lab was open in another tab');
    await noticed(second, 'Another tab has taken over this lab');
    await first.idle();
    await first.type('ls');
    expect(await first.page.textContent('#log')).toContain('etc/');
    await second.close();
    await first.close();
  });
});
