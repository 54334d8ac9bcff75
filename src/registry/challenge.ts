// The header WWW-Authenticate (RFC 9110, 11.6.1): schemes, each with parameters, of which values may be quoted.

export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
}

const TOKEN = /[^\s,="]+/y;
const PARAMETER = /\s*([^\s,="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*/y;

/** All challenges of a header; what cannot be read ends the list. */
export function parseChallenges(header: string): readonly Challenge[] {
  const found: Challenge[] = [];
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const matched = pattern.exec(header);
    if (matched === null) return undefined;
    at = pattern.lastIndex;
    return matched;
  };
  for (;;) {
    match(/[\s,]*/y);
    const scheme = match(TOKEN)?.[0];
    if (scheme === undefined) return found;
    const parameters: Record<string, string> = {};
    for (let parameter = match(PARAMETER); parameter !== undefined; parameter = match(PARAMETER)) {
      const [, name = '', quoted, plain = ''] = parameter;
      parameters[name.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? plain;
      if (match(/,[\s,]*/y) === undefined) break;
    }
    found.push({ scheme: scheme.toLowerCase(), parameters });
  }
}
