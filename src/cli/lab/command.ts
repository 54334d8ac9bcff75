// `mica lab`: serves the page that shows copy-on-write, to the browser of this machine, until Ctrl-C. With a folder it is
// attached to the live mount there, with an image to a mount of it made for this; without one it plays on mounts of its own in a scratch folder, or, where nothing can
// be mounted, in the page.

import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { StoreError } from '../../errors.js';
import { rootLabels } from '../../labels.js';
import { driverNamed, whyNotIn } from '../../mounts/drivers.js';
import { mountSnapshot, unmountSnapshot } from '../../mounts/mount-snapshot.js';
import { withServer } from '../../mounts/settle.js';
import { World } from '../../web/world.js';
import type { Declare } from '../commands.js';
import type { Context } from '../context.js';
import { imagesOfMount, type NamesOf, namesOfMount } from '../layer-names.js';
import { isPath, mountAt } from '../mounted.js';
import { shellWord } from '../shell-word.js';
import { AttachedLab } from './attached.js';
import { Belongings, MADE_BY_LAB, sweepLabs } from './belongings.js';
import { newToken } from './gate.js';
import { readLesson } from './lesson-file.js';
import { MountBackend } from './mount-backend.js';
import { serveLab } from './server.js';
import { ManyTabs, OneTab, type Tabs } from './tabs.js';
import { Totals } from './totals.js';

interface Words {
  readonly port?: string;
  readonly memory?: boolean;
  readonly lesson?: string;
}

export const declareLab: Declare = (command, act) => {
  command
    .argument(
      '[dir]',
      'a live mount, or an image or snapshot, which gets one; without it the lab has mounts of its own',
    )
    .option('--port <n>', 'where to listen on 127.0.0.1; default: any that is free')
    .option('--memory', 'no mounts: the union runs in the page')
    .option('--lesson <file>', 'begins with a lesson that somebody wrote (docs/lessons.md)')
    .action(
      act(async (context, dir: string | undefined, words: Words) => {
        assertUsable(dir, words);
        for (const scratch of await sweepLabs(context))
          context.output.note(`removed ${scratch}, which a killed lab had left`);
        if (dir !== undefined && (isPath(dir) || mountAt(context, dir) !== undefined))
          return attach(context, dir, words);
        if (dir !== undefined) return attachToNew(context, dir, words);
        const why = words.memory === true ? 'asked for' : whyNotIn(driverNamed('fuse'), tmpdir());
        if (why === undefined) return play(context, words);
        if (words.memory !== true)
          context.output.note(`nothing can be mounted here (${why}): the union runs in the page`);
        await served(context, words, undefined);
      }),
    );
};

/** What can be found wrong is, before anything is made. */
function assertUsable(dir: string | undefined, { port, lesson }: Words): void {
  portOf(port);
  pageFolder();
  if (lesson === undefined) return;
  readLesson(lesson);
  if (dir === undefined) return;
  const why = 'a lesson has layers of its own';
  throw new StoreError('invalid-argument', `cannot use --lesson with ${dir}`, why, {
    hint: 'leave out one of the two',
  });
}

async function attach(context: Context, dir: string, words: Words): Promise<void> {
  const mount = mountAt(context, dir)?.mount;
  if (mount === undefined) {
    throw new StoreError('not-found', `cannot attach to ${dir}`, 'it is not in a mount of this program', {
      hint: 'mica mounts; mica lab IMAGE mounts one for the lab',
    });
  }
  await withServer(mount, async (server) => {
    const names: NamesOf = (stack) => namesOfMount(context, mount, stack);
    const images = () => imagesOfMount(context, mount);
    const totals = new Totals();
    const open = () => new AttachedLab(mount, server, names, images, totals);
    await served(context, words, new ManyTabs(open));
  });
}

/** A new snapshot on what a word means, mounted for as long as the lab is there, and then gone. */
async function attachToNew(context: Context, word: string, words: Words): Promise<void> {
  const { meaningOf } = await import('../words.js');
  const { freeKey } = await import('../free-key.js');
  const store = await context.store();
  const what = `cannot show ${word}`;
  const meant = await meaningOf(store, word, what);
  if (meant.kind === 'key') {
    throw new StoreError(
      'failed-precondition',
      what,
      'it is an active snapshot, which the lab would change',
      {
        hint: `mica mount ${word} DIR, then mica lab DIR`,
      },
    );
  }
  const key = await freeKey(`lab-${word}`, (name) => store.snapshots.stat(name));
  const { root, namespace, state, transport } = context.settings;
  const belongings = new Belongings(state, { root, namespace, key });
  const labels = { ...rootLabels(), [MADE_BY_LAB]: belongings.id };
  try {
    await store.snapshots.prepare(key, meant.snapshot.name, { labels });
    try {
      const target = belongings.scratch;
      await mountSnapshot(store, key, target, { driver: 'fuse', transport, tied: true });
      try {
        await attach(context, target, words);
      } finally {
        await unmountSnapshot(target, state);
      }
    } finally {
      await store.snapshots.remove(key);
    }
  } finally {
    belongings.release();
  }
}

async function play(context: Context, words: Words): Promise<void> {
  const { state, transport } = context.settings;
  const belongings = new Belongings(state);
  const backend = new MountBackend(belongings.scratch, state, transport);
  try {
    await served(context, words, new OneTab(new World(backend)));
  } finally {
    await backend.reset();
    belongings.release();
  }
}

/** Serves until a signal. */
async function served(context: Context, { port, lesson }: Words, tabs: Tabs | undefined): Promise<void> {
  const { output } = context;
  const server = await serveLab({
    page: pageFolder(),
    port: portOf(port),
    token: newToken(),
    command: ['mica', ...process.argv.slice(2)].map(shellWord).join(' '),
    ...(tabs && { tabs }),
    ...(lesson !== undefined && { lesson: readLesson(lesson) }),
  });
  try {
    if (output.json) output.document({ url: server.url, engine: tabs?.engine ?? 'memory' });
    else output.line(server.url);
    output.note('open it in a browser of this machine; Ctrl-C ends it');
    await untilEnded(context);
  } finally {
    await server.close();
  }
}

/** invalid-argument for what is no port. */
function portOf(word = '0'): number {
  if (/^\d{1,5}$/.test(word) && Number(word) <= 65_535) return Number(word);
  throw new StoreError('invalid-argument', `cannot use --port ${word}`, 'a port is a number up to 65535');
}

function pageFolder(): string {
  const page = fileURLToPath(new URL('../../../lab', import.meta.url));
  if (existsSync(page)) return page;
  throw new StoreError('failed', 'cannot serve the page', `${page} is missing`, {
    hint: 'npm run build:lab',
  });
}

/** Ctrl-C is how a lab ends, so it is no failure. */
async function untilEnded(context: Context): Promise<void> {
  context.takeSignals(true);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
    if (context.signal.aborted) resolve();
  });
}
