// The JSON of a lesson, read for people who write it by hand: what is wrong is told by its line and column, in the same words
// wherever it is read. What browsers and Node say of it differs, and mostly has no place in it.

/** Why a file is no JSON, in a sentence. */
export class LessonTextError extends Error {}

/** What the file says. LessonTextError for what is no JSON in UTF-8; a byte order mark in front, as some editors write it, is none. */
export function lessonIn(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError)
      throw new LessonTextError('it is not UTF-8: save it as that', { cause: error });
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new LessonTextError(`it is not JSON: ${faultIn(text) ?? 'it cannot be read'}`, { cause: error });
  }
}

const SPACE = /[ \t\n\r]*/y;
const TOKEN =
  /(?<text>"(?:[^"\\\p{Cc}]|[\x7f-\x9f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*")|(?<plain>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])|(?:true|false|null)(?!\w))|(?<mark>[[\]{},:])/uy;

/** What may come next. */
type Wanted = 'value' | 'value or ]' | 'name' | 'name or }' | 'colon' | 'comma' | 'end';

const WORDS: Readonly<Record<Exclude<Wanted, 'comma'>, string>> = {
  value: 'a value is wanted here: a text in double quotes, a number, { or [',
  'value or ]': 'a value or ] is wanted here',
  name: 'a name in double quotes is wanted here, and no comma before }',
  'name or }': 'a name in double quotes or } is wanted here',
  colon: 'a colon is wanted here',
  end: 'nothing more is wanted here',
};

/** The first place where a text is no JSON, and what is wanted there; undefined if it is JSON. */
export function faultIn(text: string): string | undefined {
  const open: string[] = [];
  let wanted: Wanted = 'value';
  for (let at = 0; ; ) {
    SPACE.lastIndex = at;
    SPACE.exec(text);
    at = SPACE.lastIndex;
    if (at === text.length && wanted === 'end') return undefined;
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    const next: Wanted | undefined = found === null ? undefined : after(wanted, found, open);
    if (next === undefined) return `${placeOf(text, at)}: ${whyAt(text, at, wanted, open)}`;
    wanted = next;
    at = TOKEN.lastIndex;
  }
}

/** What is wanted behind a token; undefined if it is not what was wanted. `open`: what is not closed yet, changed by this. */
function after(wanted: Wanted, { 0: token, groups }: RegExpExecArray, open: string[]): Wanted | undefined {
  const isText = groups?.['text'] !== undefined;
  switch (wanted) {
    case 'value':
    case 'value or ]':
      if (isText || groups?.['plain'] !== undefined) return open.length === 0 ? 'end' : 'comma';
      if (token === ']' && wanted === 'value or ]') return closed(open);
      if (token !== '[' && token !== '{') return undefined;
      open.push(token);
      return token === '[' ? 'value or ]' : 'name or }';
    case 'name':
    case 'name or }':
      if (token === '}' && wanted === 'name or }') return closed(open);
      return isText ? 'colon' : undefined;
    case 'colon':
      return token === ':' ? 'value' : undefined;
    case 'comma':
      if (token === ',') return open.at(-1) === '[' ? 'value' : 'name';
      return token === endOf(open) ? closed(open) : undefined;
    case 'end':
      return undefined;
  }
}

function closed(open: string[]): Wanted {
  open.pop();
  return open.length === 0 ? 'end' : 'comma';
}

function endOf(open: readonly string[]): string {
  return open.at(-1) === '[' ? ']' : '}';
}

function whyAt(text: string, at: number, wanted: Wanted, open: readonly string[]): string {
  if (at === text.length) return 'the file ends here, and something is not closed';
  if (text[at] === '"' && /^(?:value|name)/.test(wanted))
    return 'this text has no end in its line (a quote in it is \\", a new line \\n), or a \\ that means nothing';
  if (wanted === 'comma') return `a comma or ${endOf(open)} is wanted here`;
  return WORDS[wanted];
}

function placeOf(text: string, at: number): string {
  const lines = text.slice(0, at).split('\n');
  return `line ${lines.length}, column ${lines.at(-1)!.length + 1}`;
}
