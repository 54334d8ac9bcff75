// `mica lab DIR`: each kind of event of a real mount at work is drawn, and what the page says of a path is what
// `mica explain` says and the disk shows.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Scratch, top } from '../program.js';
import { describeWith } from '../requires.js';
import { LabPage, openBrowser } from './browser.js';
import { LabProcess } from './lab-process.js';

describeWith(['root', 'fuse', 'program:chromium'], 'a live mount in the lab', () => {
  let scratch: Scratch;
  let served: LabProcess;
  let browser: Browser;
  let lab: LabPage;
  const sh = (script: string) =>
    execFileSync('timeout', ['60', 'sh', '-ec', script], { cwd: scratch.path('mnt'), encoding: 'utf8' });

  beforeAll(async () => {
    scratch = new Scratch('live');
    scratch.folder('mnt');
    scratch.mica('snapshot', 'prepare', 'first');
    scratch.mica('mount', 'first', scratch.path('mnt'));
    sh(
      'mkdir -p etc data/photos old; echo Welcome > etc/motd; echo x > etc/gone; echo p > data/photos/one; echo o > old/o',
    );
    scratch.mica('umount', scratch.path('mnt'));
    scratch.mica('commit', 'first', 'base');
    scratch.mica('mount', 'base', scratch.path('mnt'), '--key', 'work');
    served = await LabProcess.start(scratch, scratch.path('mnt'));
    browser = await openBrowser();
    lab = await LabPage.open(browser, served.url, '');
    await lab.page.evaluate(() => {
      const said: string[] = [];
      Object.assign(window, { said });
      const caption = document.querySelector('#caption')!;
      new MutationObserver(() => said.push(caption.textContent ?? '')).observe(caption, {
        childList: true,
        characterData: true,
        subtree: true,
      });
    });
  });
  afterAll(async () => {
    await browser?.close();
    expect(await served?.end()).toBe(0);
    scratch?.remove();
  });

  /** Until the page has said something that begins so. */
  const says = (begin: string) =>
    lab.page.waitForFunction(
      (text) => (window as unknown as { said: string[] }).said.some((said) => said.startsWith(text)),
      begin,
    );

  it.each([
    ['a copy-up', 'echo more >> etc/motd', 'Copy-up: 8 B of etc/motd rise into work'],
    ['a whiteout', 'rm etc/gone', 'Whiteout: work gets a mark that hides etc/gone'],
    ['an opaque folder', 'rm -r old; mkdir old', 'Opaque: the folder old in work'],
    ['a redirect', 'mv data/photos data/pictures', 'Redirect: the folder data/pictures in work'],
    ['a merge', 'ls etc', 'Merge: the folders etc of 2 layers'],
  ])('%s of a program at work is drawn', async (_, script, said) => {
    sh(script);
    await says(said);
    expect(lab.complaints).toEqual([]);
  });

  it('says what a program did once', async () => {
    await lab.idle();
    sh('echo once > etc/once; rm etc/once; chmod 600 data/pictures/one');
    await says('Copy-up: work has the attributes of data/pictures/one');
    await lab.idle();
    expect(await lab.page.textContent('#caption')).not.toMatch(/copy-up .*: Copy-up: /);
  });

  it('what it says of a path is what mica explain says and the disk shows', async () => {
    await lab.type('cd etc');
    for (const name of ['motd', 'gone']) {
      await lab.page.click(`#grid .merged [data-path="etc/${name}"]`);
      await lab.idle();
      const explained = JSON.parse(scratch.mica('--json', 'explain', scratch.path('mnt/etc', name)));
      const findings = await lab.page
        .locator('#why-text .chain li')
        .evaluateAll((lines) => lines.map((line) => line.className.replace(' winner', '')));
      expect(findings).toEqual(explained.layers.map(({ finding }: { finding: string }) => finding));
      expect(await lab.page.textContent('#why-text')).toContain(explained.why);
    }
    const { snapshot } = { snapshot: JSON.parse(scratch.mica('--json', 'snapshot', 'info', 'work')) };
    const disk = (name: string) => lstatSync(scratch.path('root/snapshots', snapshot.id, 'fs/etc', name));
    expect(disk('gone').isCharacterDevice() && disk('gone').rdev === 0).toBe(true);
    const listed = (await lab.page.textContent('#disk-list')) ?? '';
    expect(listed).toMatch(/c-+ \d+ +0, 0 etc\/gone/);
    expect(listed).toContain(`${disk('motd').size} etc/motd`);
  });

  it('lines that are typed are done in the mount, and a commit and a settling are drawn', async () => {
    await lab.type('echo typed > etc/new');
    expect(sh('cat etc/new')).toBe('typed\n');
    sh('chmod 600 data/pictures/one');
    scratch.mica('settle', 'work');
    await says('Settled');
    scratch.mica('commit', 'work', 'second');
    await says('Commit: the upper froze into the layer');
    await lab.type('commit x');
    expect(await lab.page.textContent('#log .failed')).toContain('Type mica commit in a shell instead');
    await lab.type('vim etc/new');
    const failed = await lab.page.locator('#log .failed').allTextContents();
    expect(failed.at(-1)).toContain('vim: no such command here; help lists them. Type it in a shell instead');
    await lab.type('cp etc/new etc/copy');
    expect(sh('cat etc/copy')).toBe('typed\n');
    expect(lab.complaints).toEqual([]);
  });

  it.each([
    ['mkdir zz', 'zz is new in work; nothing was copied up.'],
    ['echo hi > newf', 'newf is new in work; nothing was copied up.'],
    ['chmod 600 newf', 'newf is changed in work'],
    ['cat etc/motd', 'It prints Welcome, more. It comes from second. Nothing changed on the disk.'],
    ['ls old', 'The folder is empty. It comes from second. Nothing changed on the disk.'],
    [
      'ls',
      'It prints data/, etc/, newf, old/, zz/. The names of the root come from work, second, base, each once. Nothing changed on the disk.',
    ],
    ['cp missing there', 'It failed: missing: no such file or directory.'],
  ])('what is told of %s stands, whatever the mount was asked for by it', async (line, said) => {
    await lab.type('cd');
    await lab.type(line);
    await says(`${line}: ${said}`);
    // The requests of the line come some tenths of a second after it.
    await lab.page.waitForTimeout(1500);
    expect(await lab.page.textContent('#caption')).toContain(`${line}: `);
  });

  const NEW: readonly (readonly [string, string, string])[] = [
    ['echo x > made/new', 'made', 'made/new'],
    ['cp etc/motd copied/b', 'copied', 'copied/b'],
    ['mkdir into/d', 'into', 'into/d'],
    ['ln -s ../a linked/s', 'linked', 'linked/s'],
  ];

  it('what a line or a program made is told with the copy-up of its folder', async () => {
    sh(NEW.map(([, dir]) => `mkdir ${dir} p${dir}`).join('; '));
    scratch.mica('commit', 'work', 'folders');
    await says('Commit: the upper froze into the layer folders');
    for (const [line, dir, path] of NEW) {
      await lab.idle();
      await lab.type(line);
      // The events of the line would come some tenths of a second after it.
      await lab.page.waitForTimeout(1000);
      const said = `Copy-up: ${dir} is made in work. ${path} is new in work.`;
      expect(await lab.page.textContent('#caption')).toBe(`${line}: ${said}`);
      sh(line.replaceAll(path, `p${path}`));
      await says(`Copy-up: p${dir} is made in work. p${path} is new in work.`);
    }
    expect(lab.complaints).toEqual([]);
  });

  describeWith(['program:strace'], 'while a commit is done by the server and not yet by the store', () => {
    it('has the names that there will be, and tells of no layer that it has gone', async () => {
      const told = () => lab.page.evaluate(() => (window as unknown as { said: string[] }).said);
      sh('echo late > late-file');
      await lab.idle();
      const before = (await told()).length;
      // What is flushed first is the index of the layer, between the exchange of the folders and its row.
      const late = ['-e', 'trace=fsync', '-e', 'inject=fsync:delay_enter=3000000:when=1'];
      const mica = [join(top, 'bin/mica'), '--root', scratch.path('root'), '--state', scratch.path('state')];
      const words = ['-f', '-o', '/dev/null', ...late, process.execPath, ...mica, 'commit', 'work', 'late'];
      const committing = spawn('strace', words, { stdio: 'ignore' });
      const end = once(committing, 'exit');
      const drawn = new Set<string>();
      while (committing.exitCode === null) {
        await lab.type('cat late-file');
        const sheets = await lab.page.locator('.sheet .name').allTextContents();
        if (committing.exitCode === null) drawn.add(sheets.slice(0, 2).join());
        await lab.page.waitForTimeout(100);
      }
      expect((await end)[0]).toBe(0);
      expect([...drawn].at(-1)).toBe('work,late');
      await lab.page.waitForTimeout(1000);
      const said = (await told()).slice(before);
      expect(said.filter((text) => /removed|gone from|new layer/i.test(text))).toEqual([]);
      expect(said.some((text) => text.includes('Commit: the upper froze into the layer late'))).toBe(true);
      expect(lab.complaints).toEqual([]);
    });
  });

  it('the sheets of an image have its name', async () => {
    scratch.mica('snapshot', 'prepare', 'shop', 'base');
    scratch.mica('commit', 'shop', '--image', 'shop:1', 'shop-layer');
    const own = await LabProcess.start(scratch, 'shop:1');
    const shown = await LabPage.open(browser, own.url, '');
    const heads = await shown.page.locator('.sheet:not(.upper) .head').allTextContents();
    expect(heads[0]).toContain('image shop:1');
    expect(heads[0]).toContain('needed by');
    expect(heads.slice(1).join()).not.toContain('image shop:1');
    await shown.close();
    expect(await own.end()).toBe(0);
    scratch.mica('rmi', 'shop:1');
  });

  it('an image or snapshot is mounted for the lab, and nothing of that stays', async () => {
    const own = await LabProcess.start(scratch, 'base');
    const shown = await LabPage.open(browser, own.url, '');
    expect(await shown.page.locator('#grid .merged').textContent()).toContain('motd');
    await shown.close();
    expect(await own.end()).toBe(0);
    expect(JSON.parse(scratch.mica('--json', 'mounts'))).toHaveLength(1);
    expect(scratch.mica('snapshot', 'ls', '-q')).not.toContain('lab-');
    expect(scratch.try('lab', '/tmp')).toMatchObject({ code: 3 });
    expect(scratch.try('lab', 'work')).toMatchObject({ code: 5 });
  });

  it('a page of another origin gets nothing out of it', async () => {
    const page = await browser.newPage();
    await page.goto('data:text/html,<title>other</title>');
    const answer = await page.evaluate(async (url) => {
      const tried = await fetch(`${url}api/run`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"line":"rm etc/motd"}',
      }).catch((error: Error) => error.message);
      return typeof tried === 'string' ? tried : tried.status;
    }, served.url);
    expect(answer).toBe('Failed to fetch');
    expect(sh('cat etc/motd')).toContain('Welcome');
    await page.close();
  });
});
