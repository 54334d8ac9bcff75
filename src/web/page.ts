// The page: it asks a lab, in its own memory or behind `mica lab`, and draws what comes back. One command runs at a time.

import type { Explanation } from '../../fs/memory.js';
import type { Lesson, Step } from './lesson.js';
import { wrongWith } from './lesson-check.js';
import { LessonTextError, lessonIn } from './lesson-text.js';
import { LESSONS } from './lessons/index.js';
import { MemoryBackend } from './memory.js';
import type { Lab, Ran, Setup, State } from './model.js';
import { type Link, type Listener, RemoteLab } from './remote.js';
import { type Pace, Player } from './view/animate.js';
import { byId, el } from './view/dom.js';
import { Elsewhere, type Way, wayFrom } from './view/elsewhere.js';
import { Hues } from './view/hues.js';
import { listenToKeys } from './view/keys.js';
import { LessonPanel } from './view/lesson-panel.js';
import { Notice } from './view/notice.js';
import { keepOrder } from './view/order.js';
import { renderBytes, renderDisk, renderWhy, revealOnDisk } from './view/panels.js';
import { PictureView } from './view/picture.js';
import { quoted, Terminal } from './view/terminal.js';
import { type Frame, Timeline } from './view/timeline.js';
import { toldOf } from './view/told.js';
import { World } from './world.js';

const SANDBOX: Setup = {
  layers: [
    {
      name: 'base',
      files: {
        'bin/sh': '#! shell\n',
        'etc/hosts': '127.0.0.1 localhost\n',
        'etc/motd': 'Welcome\n',
        'var/db': { size: 6291456 },
      },
    },
    { name: 'app', files: { 'app/run': 'start\n', 'etc/motd': 'App 1.0\n' } },
  ],
};

class Page {
  readonly #lab: Lab;
  readonly #hues = new Hues();
  readonly #picture: PictureView;
  readonly #player: Player;
  readonly #terminal: Terminal;
  readonly #panel: LessonPanel;
  readonly #timeline: Timeline;
  readonly #notice: Notice;
  readonly #elsewhere: Elsewhere;
  readonly #select = byId<HTMLSelectElement>('lesson');
  #lessons: Lesson[] = [...LESSONS];
  #shown: State | undefined;
  /** What led to it, and from where. */
  #drawn: { readonly before?: State; readonly ran?: Ran } = {};
  #path: string | undefined;
  /** Somebody has selected the path: what others look at does not take its place. */
  #isChosen = false;
  /** Whose disk is shown; undefined: the upper of the container, as long as no lower is turned to. */
  #disk: string | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(lab: Lab) {
    this.#lab = lab;
    this.#picture = new PictureView(this.#hues, {
      select: (path, layer, said) => this.#selectPath(path, layer, said),
      selectLayer: (name) => this.#showDisk(name),
      run: (line) => this.#enter(line),
    });
    this.#player = new Player(this.#picture);
    this.#terminal = new Terminal(this.#hues, (line) => this.#enter(line));
    this.#panel = new LessonPanel({
      runStep: (step) => this.#runStep(step),
      restart: () => void this.#begin(),
      next: () => this.#goOn(),
      progressed: () => this.#listLessons(),
    });
    this.#timeline = new Timeline(
      (frame, said) => this.#lookBack(frame, said),
      (before, frame) => void this.#queue(() => this.#replay(before, frame)),
    );
    this.#elsewhere = new Elsewhere((way) => this.#go(way));
    this.#notice = new Notice(lab.engine, () => this.#listen());
    keepOrder();
    listenToKeys({
      toPicture: () => this.#picture.focus(),
      letGo: () => this.#letGo(),
      stay: () => this.#sayWhatIsNext(),
    });
    this.#select.addEventListener('change', () => void this.#begin());
    byId('pace').addEventListener('change', (event) => {
      this.#player.pace = (event.target as HTMLSelectElement).value as Pace;
    });
    byId('theme').addEventListener('click', () => this.#turnTheme());
    byId('open-lesson').addEventListener(
      'change',
      (event) => void this.#open(event.target as HTMLInputElement),
    );
  }

  async start(): Promise<void> {
    const wanted = new URLSearchParams(location.search);
    this.#player.pace = (wanted.get('pace') as Pace | null) ?? 'normal';
    byId<HTMLSelectElement>('pace').value = this.#player.pace;
    const theme = wanted.get('theme');
    if (theme !== null) document.documentElement.dataset['theme'] = theme;
    this.#listLessons();
    const lesson = wanted.get('lesson');
    this.#select.value = lesson ?? (this.#lab.engine === 'attached' ? 'sandbox' : '0');
    await this.#takeNamed();
    if (this.#lab instanceof RemoteLab) this.#listen();
    else await this.#begin();
  }

  /** The lesson that `mica lab --lesson` has looked through. */
  async #takeNamed(): Promise<void> {
    const { lesson } = document.documentElement.dataset;
    if (lesson === undefined) return;
    this.#lessons.push((await (await fetch(lesson)).json()) as Lesson);
    this.#listLessons();
    this.#select.value = String(this.#lessons.length - 1);
  }

  #listen(): void {
    if (!(this.#lab instanceof RemoteLab)) return;
    const listener: Listener = {
      linked: (link, hello) => this.#linked(link, hello),
      told: (told) =>
        void this.#queue(() => (told.kind === 'ran' ? this.#seen(told.ran) : this.#changed(told.state))),
    };
    void this.#lab.listen(listener);
  }

  /** The lab behind the page is there, again perhaps, or it is not any more. */
  #linked(link: Link, hello: Parameters<Listener['linked']>[1]): void {
    this.#notice.show(link, hello);
    if (link !== 'here') return;
    if (hello.isNew) void this.#begin();
    else void this.#queue(async () => this.#changed(await this.#lab.state()));
  }

  /** Nothing happened of which there is anything to tell, and yet what is shown is no longer so. */
  async #changed(state: State): Promise<void> {
    this.#timeline.renew(state);
    // What the last step did, and copied, stays told.
    const { before, ran } = this.#drawn;
    if (this.#timeline.isNow) await this.#draw(state, before, ran);
  }

  #listLessons(): void {
    const { value } = this.#select;
    const options = this.#lessons.map((lesson, at) => {
      const { done, right } = LessonPanel.progressOf(lesson);
      const mark =
        done === 0 ? '' : done < lesson.steps.length ? ' …' : ` ✓ ${right} of ${lesson.steps.length}`;
      return el('option', { value: String(at) }, `${at + 1}. ${lesson.title}${mark}`);
    });
    const free = el(
      'option',
      { value: 'sandbox' },
      this.#lab.engine === 'attached' ? 'The live mount' : 'Sandbox',
    );
    this.#select.replaceChildren(free, ...(this.#lab.engine === 'attached' ? [] : options));
    if (value !== '') this.#select.value = value;
  }

  #begin(): Promise<void> {
    return this.#queue(async () => {
      const lesson = this.#lessons[Number(this.#select.value)];
      this.#hues.forget();
      this.#path = undefined;
      this.#isChosen = false;
      this.#disk = undefined;
      this.#terminal.clear();
      this.#picture.ids = lesson?.ids === true;
      this.#picture.counted = lesson === undefined;
      this.#picture.arrangeable = lesson === undefined && this.#lab.engine !== 'attached';
      const isLive = this.#lab.engine === 'attached';
      const state = isLive ? await this.#lab.state() : await this.#lab.load(lesson ?? SANDBOX);
      const about = lesson?.about ?? 'Nothing has happened yet.';
      this.#timeline.begin(state, about);
      if (lesson !== undefined) this.#panel.begin(lesson);
      else if (isLive)
        this.#panel.beginFree(
          'The live mount',
          'What programs do in this mount is drawn as it happens. Drag the time line back to see it again.',
          'Lines that you type below are run in the mount, for real.',
        );
      else
        this.#panel.beginFree(
          'Sandbox',
          'Type below, or select a cell and click a line. Layers can be hidden and moved; help lists the words.',
          'A lesson of your own can be opened with the button on top.',
        );
      this.#player.say(about);
      await this.#draw(state, undefined);
    });
  }

  /** `N` has nothing to press. */
  #sayWhatIsNext(): void {
    if (!document.body.hasAttribute('data-busy')) this.#player.say(this.#panel.toDo());
  }

  #goOn(): void {
    const next = Number(this.#select.value) + 1;
    this.#select.value = next < this.#lessons.length ? String(next) : 'sandbox';
    void this.#begin();
  }

  #enter(line: string): void {
    void this.#queue(() => this.#run(line));
  }

  #runStep(step: Step): Promise<void> {
    return this.#queue(async () => {
      byId('stage').scrollIntoView({ block: 'nearest' });
      for (const [at, line] of step.run.entries()) {
        if (at > 0) await this.#player.breathe();
        await this.#run(line);
      }
    });
  }

  async #run(line: string): Promise<void> {
    this.#terminal.typed(line);
    const before = this.#timeline.now?.state;
    // Whoever looks back when he types sees what is now again.
    this.#timeline.toNow();
    if (before !== undefined && this.#shown !== before) await this.#draw(before, undefined);
    try {
      const ran = await this.#lab.run(line);
      this.#terminal.answered(ran.output, ran.failed);
      if (before !== undefined && hasOtherUpper(before, ran.state)) this.#disk = undefined;
      await this.#took(ran, line);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#terminal.answered(message, true);
      this.#player.say(`${line}: It failed: ${message}`);
    }
  }

  /** Of a live mount: what others did. */
  async #seen(ran: Ran): Promise<void> {
    if (this.#timeline.isNow) await this.#took(ran, ran.line);
    else this.#timeline.add({ label: ran.line, state: ran.state, said: this.#toldOf(ran), ran });
  }

  async #took(ran: Ran, label: string): Promise<void> {
    const before = this.#timeline.now?.state;
    const said = this.#toldOf(ran);
    await this.#player.play(ran);
    this.#timeline.add({ label, state: ran.state, said, ran });
    const { merged, layers } = ran.state;
    const subject = ran.looked?.path;
    // Also what is no longer to be seen: why that is so is to be read.
    const isDrawn = [merged, ...layers.map(({ entries }) => entries)].some((all) =>
      all.some(({ path }) => path === subject),
    );
    if (isDrawn && !(this.#isChosen && this.#lab.engine === 'attached')) this.#path = subject;
    await this.#draw(ran.state, before, ran);
    this.#player.say(said);
  }

  #toldOf(ran: Ran): string {
    return toldOf(ran, this.#timeline.now?.state ?? ran.state);
  }

  async #replay(before: Frame, frame: Frame): Promise<void> {
    await this.#draw(before.state, undefined);
    if (frame.ran !== undefined) await this.#player.play(frame.ran);
    await this.#draw(frame.state, before.state, frame.ran);
    this.#player.say(this.#timeline.said);
  }

  #lookBack(frame: Frame, said: string): void {
    void this.#queue(async () => {
      await this.#draw(frame.state, undefined, frame.ran);
      this.#player.say(said);
    });
  }

  async #draw(state: State, before: State | undefined, ran?: Ran): Promise<void> {
    this.#shown = state;
    this.#drawn = { ...(before && { before }), ...(ran && { ran }) };
    byId('stage').classList.toggle('past', !this.#timeline.isNow);
    this.#hues.take(state);
    this.#picture.render(state, this.#path);
    this.#offerWay();
    const name = this.#disk ?? state.active;
    const layer = state.layers.find((one) => one.name === name) ?? state.layers[0];
    renderDisk(
      state,
      layer,
      before?.layers.find((one) => one.name === layer?.name),
      this.#hues,
      this.#path,
    );
    const sum = (key: 'bytesCopied' | 'bytesSaved') =>
      ran?.events.reduce((total, event) => total + (event[key] ?? 0), 0) ?? 0;
    renderBytes(state, this.#hues, sum('bytesCopied'), sum('bytesSaved'));
    this.#terminal.offer(state, this.#path, (line) => this.#enter(line), this.#lab.engine === 'attached');
    renderWhy(await this.#why(), this.#path, this.#hues);
  }

  /** Of what is now: of the past nobody can ask any more. */
  async #why(): Promise<Explanation | undefined> {
    if (this.#path === undefined || !this.#timeline.isNow) return undefined;
    return this.#lab.explain(this.#path);
  }

  /** Where what is drawn could be left for. */
  #offerWay(): void {
    const { shown } = this.#timeline;
    const there = shown?.ran?.there;
    const { isNow } = this.#timeline;
    const isAside = there !== undefined && this.#shown === there;
    this.#elsewhere.show(shown && wayFrom(shown.state, there, { isAside, isNow }));
  }

  /** What is now goes on in the other folder; of what was, the other one is looked at. */
  #go(way: Way): void {
    if (this.#timeline.isNow) {
      this.#enter(way.kind === 'there' ? `cd ${quoted(way.folder)}` : 'cd /');
      return;
    }
    void this.#queue(async () => {
      const { state, ran } = this.#timeline.shown ?? {};
      const to = way.kind === 'there' ? ran?.there : state;
      if (to !== undefined) await this.#draw(to, undefined, ran);
    });
  }

  #letGo(): void {
    this.#path = undefined;
    this.#isChosen = false;
    void this.#queue(() => this.#redraw());
  }

  #selectPath(path: string, layer: string | undefined, said: string): void {
    this.#path = path;
    this.#isChosen = true;
    this.#disk = layer;
    void this.#queue(async () => {
      await this.#redraw();
      revealOnDisk();
      this.#player.say(`${said}.`);
    });
  }

  #showDisk(name: string): void {
    this.#disk = name;
    void this.#queue(() => this.#redraw());
  }

  async #redraw(): Promise<void> {
    if (this.#shown !== undefined) await this.#draw(this.#shown, this.#drawn.before, this.#drawn.ran);
  }

  async #open(input: HTMLInputElement): Promise<void> {
    const file = input.files?.[0];
    if (file === undefined) return;
    input.value = '';
    const wrong = await this.#take(new Uint8Array(await file.arrayBuffer()));
    if (wrong !== '') this.#notice.say(`${file.name} is no lesson: ${wrong}.`);
  }

  async #take(bytes: Uint8Array): Promise<string> {
    let lesson: unknown;
    try {
      lesson = lessonIn(bytes);
    } catch (error) {
      if (error instanceof LessonTextError) return error.message;
      throw error;
    }
    const wrong = wrongWith(lesson);
    if (wrong !== '') return wrong;
    this.#lessons = [...this.#lessons, lesson as Lesson];
    this.#listLessons();
    this.#select.value = String(this.#lessons.length - 1);
    await this.#begin();
    return '';
  }

  #turnTheme(): void {
    const { dataset } = document.documentElement;
    const isDark =
      dataset['theme'] === 'dark' ||
      (dataset['theme'] === undefined && matchMedia('(prefers-color-scheme: dark)').matches);
    dataset['theme'] = isDark ? 'light' : 'dark';
  }

  /** One thing after another; what fails says so under the picture. */
  #queue(act: () => Promise<void>): Promise<void> {
    const isBusy = (on: boolean) => document.body.toggleAttribute('data-busy', on);
    const done = this.#work.then(async () => {
      isBusy(true);
      try {
        await act();
      } catch (error) {
        this.#player.say(error instanceof Error ? error.message : String(error));
      } finally {
        isBusy(false);
      }
    });
    this.#work = done;
    return done;
  }
}

/** In the upper that is looked at lies something else; of another folder of it nobody can tell. */
function hasOtherUpper(before: State, after: State): boolean {
  const upper = ({ layers, active }: State) => layers.find(({ upperOf }) => upperOf === active);
  return before.focus === after.focus && JSON.stringify(upper(before)) !== JSON.stringify(upper(after));
}

function labOfPage(): Lab {
  const { engine } = document.documentElement.dataset;
  if (engine !== 'mount' && engine !== 'attached') return new World(new MemoryBackend());
  return new RemoteLab(location.pathname.slice(0, location.pathname.lastIndexOf('/') + 1), engine);
}

void new Page(labOfPage()).start();
