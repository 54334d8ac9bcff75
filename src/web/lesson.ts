// What a lesson is: a small JSON file that a teacher can write. docs/lessons.md describes it for them; here stand the same
// words as types, and what a lesson's claims mean. Claims are checked where a lesson is played in the tests, so that no
// lesson says what is not so.

import type { FileKind } from '../../fs/memory.js';
import type { LayerState, Ran, Setup, State } from './model.js';

export interface Lesson extends Setup {
  readonly title: string;
  /** One sentence. */
  readonly about: string;
  /** The sheets have their diff and chain IDs on them. */
  readonly ids?: boolean;
  readonly steps: readonly Step[];
}

export interface Step {
  /** What to look at before the question. */
  readonly say: string;
  readonly ask: string;
  readonly choices: readonly string[];
  /** The right one of them. */
  readonly answer: string;
  /** What is then run, line by line. */
  readonly run: readonly string[];
  /** Why the answer is what it is. */
  readonly because: string;
  readonly then?: Claims;
}

/** What is so after a step. Paths are the union's, of the container that is looked at then. */
export interface Claims {
  /** Path to the layer that wins; '' if the path does not exist. */
  readonly from?: Readonly<Record<string, string>>;
  /** Bytes that the lines copied up, all together. */
  readonly copied?: number;
  /** Folder to its names in the union, sorted. */
  readonly ls?: Readonly<Record<string, readonly string[]>>;
  /** What the last line printed. */
  readonly output?: string;
  /** `LAYER:PATH` to what lies there on the disk: a kind, `opaque`, `redirect`, `metacopy`, `part` or `nothing`. */
  readonly disk?: Readonly<Record<string, string>>;
  /** Names of all layers that are not uppers, from the top. */
  readonly layers?: readonly string[];
}

/** What of the claims is not so, a sentence each. */
export function untrue(claims: Claims, rans: readonly Ran[], state: State): readonly string[] {
  const wrong: string[] = [];
  const hold = (what: string, is: unknown, claimed: unknown) => {
    if (JSON.stringify(is) !== JSON.stringify(claimed))
      wrong.push(`${what} is ${JSON.stringify(is)}, and not ${JSON.stringify(claimed)}`);
  };
  for (const [path, layer] of Object.entries(claims.from ?? {}))
    hold(`the layer of ${path}`, state.merged.find((one) => one.path === path)?.layer ?? '', layer);
  if (claims.copied !== undefined) {
    const events = rans.flatMap((ran) => ran.events);
    const copied = events.reduce((sum, { bytesCopied = 0 }) => sum + bytesCopied, 0);
    hold('what was copied', copied, claims.copied);
  }
  for (const [folder, names] of Object.entries(claims.ls ?? {}))
    hold(`ls ${folder}`, namesIn(state, folder), names);
  if (claims.output !== undefined) hold('the output', rans.at(-1)?.output, claims.output);
  for (const [place, what] of Object.entries(claims.disk ?? {})) hold(place, whatLiesAt(state, place), what);
  if (claims.layers !== undefined) {
    const lowers = state.layers.filter(({ upperOf }) => upperOf === undefined);
    hold(
      'the layers',
      lowers.map(({ name }) => name),
      claims.layers,
    );
  }
  return wrong;
}

function namesIn({ merged }: State, folder: string): string[] {
  const above = folder === '' ? '' : `${folder}/`;
  return merged
    .filter(({ path }) => path.startsWith(above) && !path.slice(above.length).includes('/'))
    .map(({ path }) => path.slice(above.length));
}

function whatLiesAt({ layers }: State, place: string): FileKind | string {
  const colon = place.indexOf(':');
  const layer: LayerState | undefined = layers.find(({ name }) => name === place.slice(0, colon));
  const entry = layer?.entries.find(({ path }) => path === place.slice(colon + 1));
  if (entry === undefined) return 'nothing';
  if (entry.opaque === true) return 'opaque';
  if (entry.part === true) return 'part';
  if (entry.metacopy === true) return 'metacopy';
  return entry.redirect === undefined ? entry.kind : 'redirect';
}
