// Go's regular expressions (RE2 syntax) as JavaScript's: what clients of containerd put into filters. The common
// part of both languages is the same text; the rest is respelled here, and what RE2 does not have is refused.

const CLASSES: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7F',
  blank: '\\t ',
  digit: '0-9',
  lower: 'a-z',
  punct: '!-\\/:-@\\[-`{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

/** Look-around and back references: RE2 has none, because they take time without bound. */
const NOT_GO = /\(\?(?:[=!]|<[=!])|\\[1-9]|\\k</;

/** undefined if `source` is no expression of Go's. */
export function goRegExp(source: string): RegExp | undefined {
  const flags = /^\(\?([ims]+)\)/.exec(source);
  const body = flags === null ? source : source.slice(flags[0].length);
  if (NOT_GO.test(body.replace(/\\\\/g, ''))) return undefined;
  const spelled = body
    .replace(/\(\?P</g, '(?<')
    .replace(/\\A/g, '^')
    .replace(/\\z/g, '$')
    .replace(/\\p([A-Z])/g, '\\p{$1}')
    .replace(/\[:(\w+):\]/g, (all, name: string) => CLASSES[name] ?? all);
  // With `u` characters are characters and \p is known; without it, escapes are allowed that Go allows.
  return compiled(spelled, `u${flags?.[1] ?? ''}`) ?? compiled(spelled, flags?.[1] ?? '');
}

function compiled(source: string, flags: string): RegExp | undefined {
  try {
    return new RegExp(source, flags);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
