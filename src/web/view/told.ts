// The one sentence or two that stand under the picture when a command is over: what it did, also where nothing of it is
// drawn. It is read off what changed between the two states and not off the words of the line, so it cannot say what was
// not done; the events add how it was done.

import type { LayerFinding, UnionEvent } from '../../../fs/memory.js';
import { sizeText } from '../amounts.js';
import type { DiskEntry, LayerState, Ran, State } from '../model.js';
import { parse, ShellError, subjectOf } from '../shell.js';
import { numberIn, otherNames } from './link-index.js';
import { eventText } from './words.js';

/** Of more changes the first and the last are told, and the others counted. */
const MOST_TOLD = 3;
/** As many paths are named. */
const MOST_NAMED = 2;
/** As many layers are named of which a folder has parts. */
const MOST_PARTS = 6;
/** What a layer has where it has a part of a folder. */
const FOLDERS: ReadonlySet<LayerFinding> = new Set(['folder', 'opaque', 'redirect']);
/** How much is repeated of what a command printed. */
const MOST_PRINTED = 60;

/** What a line did; the line itself is left out where it would only say the same. `before`: the state that it met. */
export function toldOf(ran: Ran, before: State): string {
  const said = ran.failed ? [`It failed: ${ran.output.trim()}.`] : sentences(ran, before);
  const isSaid = ran.summed === true && eventsTold(ran.events, asTyped(ran)).length > 0;
  return `${isSaid ? '' : `${ran.line}: `}${said.join(' ')}`;
}

/** What is told of a look back. Which step of how many it is stands at the time line alone, because more of them may come meanwhile. */
export function toldThen(said: string): string {
  return `Looking back. ${said}`;
}

function sentences(ran: Ran, before: State): readonly string[] {
  const { state, events } = ran;
  const isCommit = hasCommitted(ran, before);
  const typed = typedPath(ran);
  const around = [
    ...(state.focus === before.focus ? [] : [`Drawn is now ${folderText(state.focus)}.`]),
    ...containersTold(before, state),
    ...imagesTold(before, state),
    ...(isCommit ? [] : layersTold(before, state)),
    ...orderTold(before, state),
  ];
  const done = eventsTold(events, asTyped(ran));
  const all = [...done, ...around];
  // What was written without an event of its own: a file that is in the upper already, or a new one.
  if (done.length === 0) all.push(...(isCommit ? [] : diskTold(before, state, typed)));
  else all.splice(done.length, 0, ...newTold(ran, before));
  const others = typed === undefined ? [] : otherNames(typed, state);
  const same =
    others.length === 0 ? [] : [`${some(others)} ${others.length === 1 ? 'is' : 'are'} the same file.`];
  return [...(all.length > 0 ? all : [readTold(ran)]), ...same];
}

/** On a live mount the stack may be drawn as it is after a commit before the event of that has come. */
function hasCommitted({ state, events }: Ran, before: State): boolean {
  const upper = before.layers.find(({ upperOf }) => upperOf === before.active);
  const isLower = state.layers.some(({ id, upperOf }) => upperOf === undefined && id === upper?.id);
  return isLower || events.some(({ kind }) => kind === 'commit');
}

/** The path that a typed line is about, or a lookup; undefined where there is none, as where others did what is told. */
function typedPath({ line, looked, summed }: Ran): string | undefined {
  if (looked !== undefined || summed === true) return looked?.path;
  try {
    return subjectOf(parse(line));
  } catch (error) {
    if (error instanceof ShellError) return undefined;
    throw error;
  }
}

/**
 * What an event is told of: a copy-up of a file with several names by the one that was typed, whichever the mount was asked
 * for last.
 */
export function asTyped(ran: Ran): (event: UnionEvent) => UnionEvent {
  const typed = typedPath(ran);
  const names = typed === undefined ? [] : otherNames(typed, ran.state);
  return (event) =>
    typed !== undefined && event.kind === 'copy-up' && names.includes(event.path)
      ? { ...event, path: typed }
      : event;
}

function folderText(focus: string): string {
  return focus === '' ? 'the whole mount' : `the folder ${focus}`;
}

function eventsTold(
  events: readonly UnionEvent[],
  named: (event: UnionEvent) => UnionEvent,
): readonly string[] {
  const text = (event: UnionEvent) => eventText(named(event)) ?? '';
  const told = events.filter((event) => event.kind !== 'merge' && text(event) !== '');
  if (told.length <= MOST_TOLD) return told.map(text);
  const copied = told.slice(1, -1).reduce((sum, { bytesCopied = 0 }) => sum + bytesCopied, 0);
  const between = `${told.length - 2} other changes${copied === 0 ? '' : ` that copied ${sizeText(copied)}`}`;
  return [text(told[0]!), `Then, after ${between}:`, text(told.at(-1)!)];
}

function containersTold(before: State, { containers, active, layers }: State): readonly string[] {
  const names = new Map(layers.map(({ id, name }) => [id, name]));
  const come = missingIn(before.containers, containers).map(({ name, layers: stack }) => {
    const lowers = stack.slice(1).map((id) => names.get(id) ?? id);
    return `The container ${name} stands on ${lowers.join(', ')}; its upper is empty, nothing was copied.`;
  });
  const gone = missingIn(containers, before.containers).map(
    ({ name }) => `The container ${name} has ended, and its upper is gone.`,
  );
  const turned = active === before.active ? [] : [`You see now what ${active} sees.`];
  return [...come, ...gone, ...turned];
}

function imagesTold(before: State, { images, layers }: State): readonly string[] {
  const names = new Map(layers.map(({ id, name }) => [id, name]));
  const come = missingIn(before.images, images).map(
    (image) => `The image ${image.name} names ${image.layers.map((id) => names.get(id) ?? id).join(', ')}.`,
  );
  const gone = missingIn(images, before.images).map(
    ({ name }) => `The name ${name} is given up; no layer goes before gc runs.`,
  );
  return [...come, ...gone];
}

function layersTold(before: State, { layers, active }: State): readonly string[] {
  const lowers = (all: readonly LayerState[]) => all.filter(({ upperOf }) => upperOf === undefined);
  const gone = missingLayers(lowers(layers), lowers(before.layers)).map(({ name }) => name);
  const come = missingLayers(lowers(before.layers), lowers(layers)).map(({ name }) => name);
  const hidden = (all: readonly LayerState[]) => all.filter((layer) => layer.hidden === true);
  const isSame = active === before.active;
  const out = isSame ? missingLayers(hidden(before.layers), hidden(layers)).map(({ name }) => name) : [];
  const back = isSame ? missingLayers(hidden(layers), hidden(before.layers)).map(({ name }) => name) : [];
  const list = (names: readonly string[], text: string) =>
    names.length === 0 ? [] : [`${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} ${text}`];
  return [
    ...list(
      gone,
      `removed: no image names ${gone.length === 1 ? 'it, and no container stands on it' : 'them, and no container stands on them'}.`,
    ),
    ...list(come, 'a new layer, on top of the others.'),
    ...list(out, 'left out of the stack.'),
    ...list(back, 'in the stack again.'),
  ];
}

/** Only a change of the order that the container has its layers in: what came and went is told elsewhere. */
function orderTold(before: State, after: State): readonly string[] {
  if (before.active !== after.active) return [];
  const order = ({ layers, containers, active }: State) => {
    const stack = containers.find(({ name }) => name === active)?.layers ?? [];
    const names = new Map(layers.map(({ id, name }) => [id, name]));
    return stack.slice(1).flatMap((id) => names.get(id) ?? []);
  };
  const is = order(after);
  const was = order(before);
  if (is.join() === was.join() || is.toSorted().join() !== was.toSorted().join()) return [];
  return [`From the top the layers are now ${is.join(', ')}.`];
}

/**
 * Names that came into the upper beside what the events tell: what a line made in a folder that was copied up for it. What the
 * union showed before is not new; of a folder that is not drawn the requests say what was made.
 */
function newTold(ran: Ran, before: State): readonly string[] {
  const { state, events, there } = ran;
  const upper = state.layers.find(({ upperOf }) => upperOf === state.active);
  if (upper === undefined || hasCommitted(ran, before) || before.active !== state.active) return [];
  const named = events.filter(({ kind }) => kind !== 'request');
  const isNamed = (path: string) =>
    named.some((event) => event.path === path || (event.kind === 'redirect' && isIn(path, event.path)));
  const isWhat = ({ kind }: DiskEntry) => kind !== 'whiteout';
  const old = new Set([...before.merged, ...upperIn(before).filter(isWhat)].map(({ path }) => path));
  const isNew = (entry: DiskEntry) => isWhat(entry) && !old.has(entry.path) && !isNamed(entry.path);
  const here = before.focus === state.focus ? upper.entries.filter(isNew).map(({ path }) => path) : [];
  const asked = new Set(events.filter(({ kind }) => kind === 'request').map(({ path }) => path));
  const aside = upperIn(there)
    .filter((entry) => asked.has(entry.path) && isNew(entry))
    .map(({ path }) => path);
  const paths = [...new Set([...here, ...aside])];
  return paths.length === 0
    ? []
    : [`${some(paths)} ${paths.length === 1 ? 'is' : 'are'} new in ${upper.name}.`];
}

function upperIn(state: State | undefined): readonly DiskEntry[] {
  return state?.layers.find(({ upperOf }) => upperOf === state.active)?.entries ?? [];
}

function isIn(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}

/** Files are called as `typed`, if that is a name of them. */
function diskTold(before: State, after: State, typed: string | undefined): readonly string[] {
  const upper = after.layers.find(({ upperOf }) => upperOf === after.active);
  const was = before.layers.find(({ upperOf }) => upperOf === after.active);
  // Another folder has other names, and none of them came or went.
  if (upper === undefined || was === undefined || before.focus !== after.focus) return [];
  const old = new Map(was.entries.map((entry) => [entry.path, entry]));
  const isWhat = ({ kind }: DiskEntry) => kind !== 'whiteout';
  const come = upper.entries.filter((entry) => isWhat(entry) && !hasObject(old, entry));
  const isChanged = (known: ReadonlyMap<string, DiskEntry>) => (entry: DiskEntry) =>
    isWhat(entry) && hasObject(known, entry) && hasOtherData(known.get(entry.path)!, entry);
  const oldIndex = new Map(was.index?.entries.map((entry) => [entry.path, entry]));
  // The index has the same files, and those of which no name lies in the upper any more.
  const changed = [
    ...upper.entries.filter(isChanged(old)),
    ...(upper.index?.entries.filter(isChanged(oldIndex)) ?? []),
  ];
  const numbered = [...new Set(changed.map(({ ino }) => ino))];
  const isCalled = (path: string, ino: number) => numberIn(upper, path, after) === ino;
  const paths = numbered.flatMap((ino) => {
    if (typed !== undefined && isCalled(typed, ino)) return [typed];
    const here = changed.find((entry) => entry.ino === ino && upper.entries.includes(entry));
    return here?.path ?? after.merged.find(({ path }) => isCalled(path, ino))?.path ?? [];
  });
  const gone = missingPaths(upper.entries, was.entries.filter(isWhat));
  const text = (paths: readonly string[], what: string) =>
    paths.length === 0 ? [] : [`${some(paths)} ${paths.length === 1 ? 'is' : 'are'} ${what}`];
  return [
    ...text(
      come.map(({ path }) => path),
      `new in ${upper.name}; nothing was copied up.`,
    ),
    ...text(
      paths,
      `changed in ${upper.name}, which had ${paths.length === 1 ? 'it' : 'them'} already; nothing was copied up.`,
    ),
    ...text(gone, `gone from ${upper.name}.`),
  ];
}

function hasObject(old: ReadonlyMap<string, DiskEntry>, { path, ino, kind }: DiskEntry): boolean {
  const known = old.get(path);
  return known !== undefined && known.ino === ino && known.kind === kind;
}

function hasOtherData(a: DiskEntry, b: DiskEntry): boolean {
  return (
    b.kind !== 'folder' &&
    (a.size !== b.size || a.text !== b.text || a.mode !== b.mode || a.bytes !== b.bytes)
  );
}

function missingPaths(here: readonly DiskEntry[], all: readonly DiskEntry[]): readonly string[] {
  const paths = new Set(here.map(({ path }) => path));
  return all.flatMap(({ path }) => (paths.has(path) ? [] : [path]));
}

/** It changed nothing. */
function readTold(ran: Ran): string {
  const { line, output, looked } = ran;
  const printed = output.trim().replaceAll('\n', ', ');
  const text = printed.length > MOST_PRINTED ? `${printed.slice(0, MOST_PRINTED)}…` : printed;
  const prints = text === '' ? '' : `It prints ${text}. `;
  const word = line.split(' ', 1)[0];
  if (word === 'gc') return `${prints}Each layer is in an image that has a name, or under a container.`;
  const parts = partsListed(ran);
  if (parts !== undefined) return `${prints}${parts} Nothing changed on the disk.`;
  const from =
    looked === undefined || looked.result === 'absent' ? '' : `It comes from ${looked.result.layer}. `;
  if (text === '' && word === 'ls') return `The folder is empty. ${from}Nothing changed on the disk.`;
  return `${prints}${from}Nothing changed on the disk.`;
}

/** Of a folder of several layers: which these are, also where they were put together before, of which there is no event. */
function partsListed({ line, looked, events }: Ran): string | undefined {
  const merge = events.findLast(({ kind }) => kind === 'merge');
  const parts = looked?.layers.filter(({ finding }) => FOLDERS.has(finding)) ?? [];
  const count = merge?.parts ?? (line.split(' ', 1)[0] === 'ls' ? parts.length : 0);
  if (count < 2) return undefined;
  const path = merge?.path ?? looked?.path ?? '';
  const isNamed = path === looked?.path && parts.length === count && count <= MOST_PARTS;
  const layers = isNamed ? parts.map(({ id }) => id).join(', ') : `${count} layers`;
  return `The names of ${path === '' ? 'the root' : path} come from ${layers}, each once.`;
}

/** The first and the last, and how many are between them. */
function some(paths: readonly string[]): string {
  const rest = paths.length - MOST_NAMED;
  return rest <= 0 ? paths.join(' and ') : `${paths[0]}, ${rest} more and ${paths.at(-1)}`;
}

function missingIn<T extends { readonly name: string }>(here: readonly T[], all: readonly T[]): readonly T[] {
  const known = new Set(here.map(({ name }) => name));
  return all.filter(({ name }) => !known.has(name));
}

/** A layer stays the same when it is called by another name. */
function missingLayers(here: readonly LayerState[], all: readonly LayerState[]): readonly LayerState[] {
  const known = new Set(here.map(({ id }) => id));
  return all.filter(({ id }) => !known.has(id));
}
