// The lab on somebody's live mount. What it shows is read from the folders of its layers, past the mount, so that looking
// is no event; what is typed is done in the mount; what others do comes with the events of its server. The folder that is
// shown is the one that somebody has chosen: where a bunch of events was about another one, it brings that one beside.

import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ByteString,
  type Explanation,
  eventsOf,
  fromText,
  isFolder,
  kindOf,
  openStack,
  PERMISSION_BITS,
  type StackDescription,
  toText,
  Union,
  type UnionEvent,
  walk,
} from '../../../fs/index.js';
import { StoreError } from '../../errors.js';
import type { ControlClient } from '../../mounts/control.js';
import { follow } from '../../mounts/follow.js';
import { isWithinReach, type ListedMount } from '../../mounts/table.js';
import { winnerOf } from '../../web/explained.js';
import { eventInText, explanationInText } from '../../web/in-text.js';
import type { ImageState, LayerState, MergedEntry, Ran, State } from '../../web/model.js';
import { calledNames, type LayerNames, withNames } from '../../web/naming.js';
import { cleanPath, FILE_COMMANDS, parse, runOnFiles, ShellError, subjectOf } from '../../web/shell.js';
import { calledIn, explainServed, idsOf, type NamesOf } from '../layer-names.js';
import { withoutUpper } from '../reading.js';
import { readFolder } from './layer-folder.js';
import { MountFiles } from './mount-files.js';
import type { Ear, WatchingLab } from './tabs.js';
import type { Totals } from './totals.js';
import { UpperWatch } from './upper-watch.js';

/** Up to so many paths a folder is shown with all that is in it; more, and it is shown alone. */
const WHOLE = 60;
/** So long the first picture waits for the sums of the whole mount. */
const PATIENCE_MS = 1500;

/** Of what is written there is no event where the kernel does it by itself, and none of a file that is in the upper. */
const WRITTEN: Omit<Ran, 'state'> = { line: 'a program writes', output: '', failed: false, events: [] };

export class AttachedLab implements WatchingLab {
  readonly engine = 'attached';
  readonly #mount: ListedMount;
  readonly #server: ControlClient;
  /** Of layers by their ids, asked again each time: a commit gives them others. */
  readonly #names: NamesOf;
  readonly #images: () => Promise<readonly ImageState[]>;
  /** Of the layers that there were when they were asked for. */
  #known: { readonly ids: string; readonly images: readonly ImageState[] } = { ids: '', images: [] };
  readonly #totals: Totals;
  readonly #upper = new UpperWatch();
  /** The folder that is shown, until somebody asks for another one or it is gone. */
  #focus = '';
  /** How many folders deep what is shown goes below it. */
  #depth = 0;
  #stack: StackDescription | undefined;
  /** Lines that are being done: what these write is told with them, and not as that of a program. */
  #typed = 0;
  /** Numbers of the events that were told with a line. */
  readonly #told = new Set<number>();

  constructor(
    mount: ListedMount,
    server: ControlClient,
    names: NamesOf,
    images: () => Promise<readonly ImageState[]>,
    totals: Totals,
  ) {
    this.#mount = mount;
    this.#server = server;
    this.#names = names;
    this.#images = images;
    this.#totals = totals;
  }

  async load(): Promise<State> {
    throw new StoreError('failed-precondition', 'cannot begin anew', 'this is a live mount');
  }

  async state(focus?: string): Promise<State> {
    if (focus !== undefined && focus !== '') this.#focus = cleanPath(focus);
    const { state, depth, upper, inUpper } = await this.#stateAt(this.#focus);
    this.#focus = state.focus;
    this.#depth = depth;
    if (upper !== undefined) this.#upper.take(upper.path, [fromText(state.focus), ...inUpper]);
    return state;
  }

  /** Of a folder, or of the next one above it that there is, with as many folders deep as are shown. */
  async #stateAt(wanted: string): Promise<{
    readonly state: State;
    readonly depth: number;
    readonly upper: StackDescription['upper'];
    /** All that is drawn of the upper. */
    readonly inUpper: readonly ByteString[];
  }> {
    const { stack } = await this.#server.ask({ op: 'status' });
    const upper = stack.upper;
    const all = upper === undefined ? stack.lowers : [upper, ...stack.lowers];
    if (this.#totals.version === 0) await Promise.race([this.#totals.count(stack), sleep(PATIENCE_MS)]);
    this.#stack = stack;
    const { merged, depth, focus } = mergedAt(stack, wanted);
    const called = calledNames(idsOf(stack), await this.#names(stack));
    const inUpper: ByteString[] = [];
    const layers = all.map((layer): LayerState => {
      const isUpper = layer === upper;
      const listed = isUpper ? (path: ByteString) => void inUpper.push(path) : undefined;
      const { bytes, ...contents } = readFolder(layer, focus, depth, listed);
      return {
        id: layer.id,
        name: called.get(layer.id) ?? layer.id,
        bytes: this.#totals.ofLayer(layer.path) ?? bytes,
        ...contents,
        ...(isUpper && { upperOf: this.#name }),
      };
    });
    const shown: MergedEntry[] = [];
    for (const { real, ...entry } of merged.slice(0, WHOLE)) {
      const explanation = await this.#explained(real, called);
      // Without the index of hard links the union that was listed shows some files as they were below.
      shown.push({ ...entry, ...explanation.shows, ...winnerOf(explanation) });
    }
    const state: State = {
      layers,
      containers: [{ name: this.#name, layers: all.map(({ id }) => id) }],
      active: this.#name,
      images: await this.#imagesOn(all.map(({ id }) => id).join()),
      focus,
      merged: shown,
      more: merged.length - shown.length,
      ...(this.#totals.copyBytes !== undefined && { copyBytes: this.#totals.copyBytes }),
      ...(this.#totals.version === 0 && { counting: true }),
    };
    return { state, depth, upper, inUpper };
  }

  /** Manifests are read for it, so only when the layers are others than last time. */
  async #imagesOn(ids: string): Promise<readonly ImageState[]> {
    if (this.#known.ids !== ids) this.#known = { ids, images: await this.#images() };
    return this.#known.images;
  }

  async run(line: string): Promise<Ran> {
    let output = '';
    let failed = false;
    this.#typed++;
    try {
      const looked = await this.#lookedAt(line);
      const { lastSeq } = await this.#server.ask({ op: 'events', since: Number.MAX_SAFE_INTEGER });
      output = await this.#do(line).catch((error: unknown) => {
        if (!(error instanceof Error)) throw error;
        failed = true;
        return `${error.message}\n`;
      });
      const since = [...eventsOf(await this.#server.ask({ op: 'events', since: lastSeq }))];
      const state = await this.state();
      const own = ofLine(line, since, state);
      for (const { seq } of own) this.#told.add(seq);
      const { drawn, made } = sorted(own);
      if (drawn.length > 0 || hasChanges(own)) this.#totals.outdate();
      const there = await this.#placeOf(drawn, made);
      const called = await calledIn(this.#server, this.#names);
      const events = renamed(there === undefined ? drawn : [...drawn, ...made], called);
      return { line, output, failed, events, ...(looked && { looked }), state, ...(there && { there }) };
    } finally {
      this.#typed--;
    }
  }

  /** How the path of a line is before it is done; undefined where it has none. */
  async #lookedAt(line: string): Promise<Explanation | undefined> {
    const [path] = known(() => subjectOf(parse(line)));
    return path === undefined ? undefined : this.explain(path);
  }

  async explain(path: string): Promise<Explanation> {
    return this.#explained(fromText(path), await calledIn(this.#server, this.#names));
  }

  /** Hands over what happens until the signal or the end of the mount. */
  async follow(signal: AbortSignal, tell: Ear['tell']): Promise<void> {
    let { version } = this.#totals;
    // What a line does is told with it: nothing of that is taken before.
    const canTake = () => this.#typed === 0;
    for await (const followed of follow(this.#server, { requests: true, signal, canTake })) {
      const events = [...followed.events].filter(({ seq }) => !this.#told.delete(seq));
      const { drawn, made } = sorted(events);
      const hasWritten = this.#hasWritten(false);
      if (drawn.length > 0) this.#totals.outdate();
      if (this.#totals.isDue && this.#stack !== undefined) void this.#totals.count(this.#stack);
      let ran = hasWritten && drawn.length === 0 ? WRITTEN : await this.#ranOf(drawn, events);
      if (ran === undefined && version === this.#totals.version) continue;
      // The new state takes in what was written until now, which nobody would notice any more.
      if (ran === undefined && this.#hasWritten(true)) ran = WRITTEN;
      // What is counted while the state is put together is in the next one.
      ({ version } = this.#totals);
      const state = await this.state();
      if (ran === undefined) {
        tell({ kind: 'state', state });
        continue;
      }
      const there = await this.#placeOf(drawn, made);
      const all = there === undefined ? ran.events : [...ran.events, ...made.map(eventInText)];
      tell({ kind: 'ran', ran: { ...ran, events: all, state, ...(there && { there }) } });
    }
  }

  /** Whether a program wrote what makes no event; `isNow`: looks whenever it was looked before. */
  #hasWritten(isNow: boolean): boolean {
    const has = this.#typed === 0 && this.#upper.hasChanged(isNow);
    if (has) this.#totals.outdate();
    return has;
  }

  /** What happened; where nothing was changed one lookup stands for a bunch of requests. */
  async #ranOf(
    drawn: readonly UnionEvent[],
    all: readonly UnionEvent[],
  ): Promise<Omit<Ran, 'state'> | undefined> {
    const told = drawn.length > 0 ? drawn : lookedAt(all);
    if (told.length === 0) return undefined;
    const called = await calledIn(this.#server, this.#names);
    const events = renamed(told, called);
    const looked = drawn.length > 0 ? undefined : await this.#explained(told[0]!.path, called);
    return {
      line: lineFor(events),
      summed: true,
      output: '',
      failed: false,
      events,
      ...(looked && { looked }),
    };
  }

  async #do(line: string): Promise<string> {
    const command = parse(line);
    if (command.name === 'cd') {
      this.#focus = cleanPath(command.words[0] ?? '');
      return '';
    }
    if (command.name === 'settle') {
      await this.#server.ask({ op: 'settle' });
      return '';
    }
    if (FILE_COMMANDS.includes(command.name)) assertWithinReach(this.#mount);
    const done = runOnFiles(new MountFiles(this.#mount.target), command);
    if (done !== undefined) return done;
    if (command.name === 'help')
      return 'cd FOLDER shows that folder, cd all of the mount; files: cat, ls, echo, cp, rm, mv, mkdir, chmod, ln, …; settle\n';
    const how = OF_MICA.has(command.name) ? `mica ${command.name}` : 'it';
    throw new ShellError(
      `${command.name}: no such command here; help lists them. Type ${how} in a shell instead: what it does in this mount is drawn here`,
    );
  }

  /** Where the last of what is drawn happened, or of what was made with it; undefined if that is shown already. */
  async #placeOf(drawn: readonly UnionEvent[], made: readonly UnionEvent[]): Promise<State | undefined> {
    const [event, maker] = [drawn.at(-1), made.at(-1)];
    if (event === undefined) return undefined;
    return this.#elsewhere(toText((maker !== undefined && maker.seq > event.seq ? maker : event).path));
  }

  /** The folder of the path; undefined if it is shown already. */
  async #elsewhere(path: string): Promise<State | undefined> {
    const folder = folderOf(path);
    const isWithin = this.#focus === '' || `${folder}/`.startsWith(`${this.#focus}/`);
    if (folder === this.#focus || (isWithin && this.#depth > 1)) return undefined;
    const { state } = await this.#stateAt(folder);
    return state.focus === this.#focus ? undefined : state;
  }

  async #explained(path: ByteString, called: LayerNames): Promise<Explanation> {
    const explanation = await explainServed(this.#server, path, called);
    return explanationInText(withNames(explanation, (id) => called.get(id) ?? id));
  }

  get #name(): string {
    return this.#mount.snapshot?.key ?? 'mount';
  }
}

/** What the union shows in a folder, through one of its own, which is told to nobody. */
function mergedAt(
  stack: StackDescription,
  wanted: string,
): {
  readonly merged: Listed[];
  readonly depth: number;
  /** That folder, or the next one above it that there is. */
  readonly focus: string;
} {
  const { chains: _, ...plain } = withoutUpper(stack);
  const union = new Union(openStack(plain));
  try {
    const focus = nearestFolder(union, wanted);
    const whole = listed(union, focus, Number.POSITIVE_INFINITY);
    if (whole.length <= WHOLE) return { merged: whole, depth: Number.POSITIVE_INFINITY, focus };
    return { merged: listed(union, focus, 1), depth: 1, focus };
  } finally {
    union.destroy();
  }
}

/** The folder, or the next one above it that there still is. */
function nearestFolder(union: Union, folder: string): string {
  const { kind } = union.explain(fromText(folder));
  return folder === '' || kind === 'folder' ? folder : nearestFolder(union, folderOf(folder));
}

function folderOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0));
}

/** With the bytes of its path, which are not always text. */
interface Listed extends Omit<MergedEntry, 'layer'> {
  readonly real: ByteString;
}

function listed(union: Union, focus: string, depth: number): Listed[] {
  const found: Listed[] = [];
  const deepest = (focus === '' ? 0 : focus.split('/').length) + depth;
  for (const { path, attr } of walk(union, fromText(focus), { skipped: true })) {
    if (path === fromText(focus) || path.split('/').length > deepest) continue;
    const { mode, size, nlink } = attr;
    found.push({
      real: path,
      path: toText(path),
      kind: kindOf(mode),
      mode: mode & PERMISSION_BITS,
      size: isFolder(mode) ? 0 : size,
      nlink,
    });
    if (depth > 1 && found.length > WHOLE) break;
  }
  return found;
}

function renamed(events: readonly UnionEvent[], called: LayerNames): readonly UnionEvent[] {
  return events.map((event) => ({
    ...eventInText(event),
    ...(event.layer !== undefined && { layer: called.get(event.layer) ?? event.layer }),
  }));
}

/** Events that are drawn, and requests that made a name: who looks at another folder is told what these made. */
function sorted(events: readonly UnionEvent[]): {
  readonly drawn: readonly UnionEvent[];
  readonly made: readonly UnionEvent[];
} {
  return {
    drawn: events.filter(({ kind }) => kind !== 'request'),
    made: events.filter(({ operation = '', errno }) => errno === undefined && MAKES.has(operation)),
  };
}

/** ShellError where a line would be done in the folder below the mount, or in what else lies at its place. */
function assertWithinReach(mount: ListedMount): void {
  if (isWithinReach(mount)) return;
  const { pid } = mount.process;
  throw new ShellError(
    `${mount.target} is not to be reached from here, as it is mounted in another mount namespace or was taken away: type it where it is mounted, or start mica lab there (nsenter --mount --target ${pid})`,
  );
}

/** Those that are about paths of the line, on the way to them or beneath them; others work in the mount meanwhile. */
function ofLine(line: string, events: readonly UnionEvent[], { merged }: State): readonly UnionEvent[] {
  const paths = pathsIn(line);
  const isBeneath = (path: string, folder: string) => folder === '' || `${path}/`.startsWith(`${folder}/`);
  return events.filter((event) => {
    const path = toText(event.path);
    // The mount may tell of a file with several names by another one than was typed.
    const hasNames = merged.some((one) => one.path === path && one.kind === 'file' && one.nlink > 1);
    return paths === 'all' || hasNames || paths.some((one) => isBeneath(path, one) || isBeneath(one, path));
  });
}

function pathsIn(line: string): readonly string[] | 'all' {
  const [command] = known(() => parse(line));
  if (command?.name === 'settle') return 'all';
  if (command === undefined) return [];
  // The root, of a line that names nothing.
  const subject = known(() => subjectOf(command) ?? []).flat();
  return [...command.words.flatMap((word) => known(() => cleanPath(word))), ...subject];
}

/** Empty where a line means nothing, or a word is no path: the target of a symlink, perhaps. */
function known<T>(read: () => T): readonly T[] {
  try {
    return [read()];
  } catch (error) {
    if (error instanceof ShellError) return [];
    throw error;
  }
}

/** Words of the lessons that this program has, too, for a shell. */
const OF_MICA: ReadonlySet<string> = new Set(['commit', 'run', 'tag', 'gc']);

/** What changes the upper and makes no event there: what came of it is read off the folders. */
const CHANGES: ReadonlySet<string> = new Set([
  ...['create', 'mknod', 'mkdir', 'symlink', 'link', 'unlink', 'rmdir', 'rename', 'setattr', 'setxattr'],
  ...['removexattr', 'write', 'writeMapped', 'fallocate', 'copyFileRange'],
]);

const MAKES: ReadonlySet<string> = new Set(['create', 'mknod', 'mkdir', 'symlink']);

/** One lookup stands for a bunch of requests that changed nothing. */
function lookedAt(events: readonly UnionEvent[]): readonly UnionEvent[] {
  if (hasChanges(events)) return [];
  const found = events.find(({ operation }) => operation === 'lookup');
  return found === undefined ? [] : [found];
}

function hasChanges(events: readonly UnionEvent[]): boolean {
  return events.some(({ operation = '', errno }) => errno === undefined && CHANGES.has(operation));
}

/** The first and the last, and how many are between them. */
function lineFor(events: readonly UnionEvent[]): string {
  const [first, last] = [events[0]!, events.at(-1)!].map(wordFor);
  if (events.length === 1) return first!;
  return events.length === 2 ? `${first}, ${last}` : `${first}, ${events.length - 2} more, ${last}`;
}

function wordFor({ kind, operation, path }: UnionEvent): string {
  return `${operation ?? kind} ${path === '' ? '/' : path}`;
}
