// Filters of lists, in containerd's grammar and meaning (`pkg/filters`), so that what its clients send works here:
//
//   filter    := selector (',' selector)*          all of them must match
//   selector  := fieldpath [operator value]        without an operator: the field is there
//   fieldpath := field ('.' field)*
//   field     := quoted | [A-Za-z0-9_-]+
//   operator  := '==' | '!=' | '~='                equal, not equal, matches the regular expression
//   value     := quoted | [^\s,]+
//   quoted    := "…" as Go writes strings; after ~= also /…/ and |…|
//
// Of several filters one must match. A field that an object does not have is empty and not there: no error.

import { StoreError } from './errors.js';
import { goRegExp } from './go-regexp.js';
import type { Labels } from './labels.js';

/** The text of a field of an object; undefined if it does not have it. */
export type FieldOf = (path: readonly string[]) => string | undefined;

/** True for the objects that are meant. */
export type Filter = (fieldOf: FieldOf) => boolean;

/** Whom any of `filters` means; everybody if there is none. invalid-argument for one that cannot be read. */
export function parseFilters(filters: readonly string[]): Filter {
  if (filters.length === 0) return always;
  const parsed = filters.map(parseFilter);
  return (fieldOf) => parsed.some((filter) => filter(fieldOf));
}

/** Those of `objects` whom any of `filters` means, with `fieldOf` to look into one. invalid-argument as above. */
export function filtered<T>(
  objects: readonly T[],
  filters: readonly string[],
  fieldOf: (object: T, path: readonly string[]) => string | undefined,
): readonly T[] {
  if (filters.length === 0) return objects;
  const matches = parseFilters(filters);
  return objects.filter((object) => matches((path) => fieldOf(object, path)));
}

/** The field `labels.<key>`, where the rest of the path is the key, dots included. */
export function labelAt(labels: Labels, path: readonly string[]): string | undefined {
  const key = path.join('.');
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

function always(): boolean {
  return true;
}

function parseFilter(text: string): Filter {
  if (text === '') return always;
  const selectors = new Parser(text).selectors();
  return (fieldOf) => selectors.every((selector) => selector(fieldOf));
}

type Kind = 'end' | 'quoted' | 'value' | 'field' | 'separator' | 'operator' | 'other';

interface Token {
  readonly kind: Kind;
  readonly text: string;
  readonly at: number;
}

const QUOTES = new Set(['/', '|', '"']);
const SPACE = /\s/u;
const FIELD = /[A-Za-z0-9_-]+/y;
const OPERATOR = /[=!~]+/y;
/** Go's graphic and punctuation characters, but for the comma. */
const VALUE = /[^,\s\p{C}]+/uy;
/** A quote, then anything but a newline and the quote itself, unless escaped. */
const ESCAPE = /\\(?:[abfnrtv\\]|[0-7]{3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})/y;

class Parser {
  readonly #input: string;
  #at = 0;
  /** An operator was read last: what comes is a value. */
  #wantsValue = false;

  constructor(input: string) {
    this.#input = input;
  }

  selectors(): Filter[] {
    const selectors = [this.#selector()];
    while (this.#at < this.#input.length) {
      if (this.#peek() !== ',') throw this.#refusal(this.#at, `unexpected ${this.#peek()}`);
      this.#scan();
      selectors.push(this.#selector());
    }
    return selectors;
  }

  #selector(): Filter {
    const path = this.#fieldPath();
    if (this.#peek() === '' || this.#peek() === ',') return (fieldOf) => fieldOf(path) !== undefined;
    const { text: operator, at, kind } = this.#scan();
    if (kind !== 'operator') throw this.#refusal(at, 'expected one of == != ~=');
    switch (operator) {
      case '==': {
        const value = this.#value(false);
        return (fieldOf) => fieldOf(path) === value;
      }
      case '!=': {
        const value = this.#value(false);
        return (fieldOf) => (fieldOf(path) ?? '') !== value;
      }
      case '~=': {
        const source = this.#value(true);
        const expression = goRegExp(source);
        if (expression === undefined) throw this.#refusal(at, `${source} is no regular expression`);
        return (fieldOf) => expression.test(fieldOf(path) ?? '');
      }
      default:
        throw this.#refusal(at, `unknown operator ${operator}`);
    }
  }

  #fieldPath(): readonly string[] {
    const path = [this.#field()];
    while (this.#peek() === '.') {
      this.#scan();
      path.push(this.#field());
    }
    return path;
  }

  #field(): string {
    const token = this.#scan();
    if (token.kind === 'field') return token.text;
    if (token.kind === 'quoted') return this.#unquoted(token, false);
    throw this.#refusal(token.at, 'expected a field');
  }

  #value(anyQuote: boolean): string {
    const token = this.#scan();
    if (token.kind === 'value' || token.kind === 'field') return token.text;
    if (token.kind === 'quoted') return this.#unquoted(token, anyQuote);
    throw this.#refusal(token.at, 'expected a value');
  }

  #unquoted({ text, at }: Token, anyQuote: boolean): string {
    if (!anyQuote && !text.startsWith('"')) throw this.#refusal(at, 'only " may quote here');
    return unescaped(text.slice(1, -1));
  }

  /** The next character, '' at the end; nothing is skipped. */
  #peek(): string {
    const code = this.#input.codePointAt(this.#at);
    return code === undefined ? '' : String.fromCodePoint(code);
  }

  #scan(): Token {
    while (SPACE.test(this.#peek())) this.#at += this.#peek().length;
    const at = this.#at;
    const next = this.#peek();
    if (next === '') return { kind: 'end', text: '', at };
    if (QUOTES.has(next)) return this.#quoted(next);
    if (next === ',' || next === '.') {
      this.#wantsValue = false;
      return this.#token('separator', at, at + 1);
    }
    const operator = this.#run(OPERATOR);
    if (operator > 0) {
      this.#wantsValue = true;
      return this.#token('operator', at, at + operator);
    }
    if (this.#wantsValue) {
      this.#wantsValue = false;
      return this.#token('value', at, at + this.#run(VALUE));
    }
    const field = this.#run(FIELD);
    return field > 0 ? this.#token('field', at, at + field) : this.#token('other', at, at + next.length);
  }

  #quoted(quote: string): Token {
    const at = this.#at;
    let end = at + 1;
    while (this.#input[end] !== quote) {
      const next = this.#input[end];
      if (next === undefined || next === '\n') throw this.#refusal(at, 'a quote is not closed');
      if (next !== '\\') end++;
      else if (this.#input[end + 1] === quote) end += 2;
      else {
        ESCAPE.lastIndex = end;
        const found = ESCAPE.exec(this.#input);
        if (found === null) throw this.#refusal(end, 'an escape that Go does not know');
        end += found[0].length;
      }
    }
    return this.#token('quoted', at, end + 1);
  }

  #token(kind: Kind, at: number, end: number): Token {
    this.#at = end;
    return { kind, text: this.#input.slice(at, end), at };
  }

  /** How many characters from here on are of a kind. */
  #run(kind: RegExp): number {
    kind.lastIndex = this.#at;
    return kind.exec(this.#input)?.[0].length ?? 0;
  }

  #refusal(at: number, why: string): StoreError {
    const place = at < this.#input.length ? `at character ${at + 1}` : 'at its end';
    return new StoreError('invalid-argument', `cannot use filter ${this.#input}`, `${why} ${place}`, {
      hint: 'a filter is FIELD==VALUE,LABEL~=EXPRESSION: name==base, or \'labels."a.b/c"==x\'',
    });
  }
}

const CONTROLS: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 };

/** What a Go string of this inside says; escapes of bytes and of characters become UTF-8 together. */
function unescaped(inside: string): string {
  if (!inside.includes('\\')) return inside;
  const parts: Buffer[] = [];
  const piece = /\\([0-7]{3}|x..|u.{4}|U.{8}|.)|[^\\]+/gsu;
  for (const [text, code] of inside.matchAll(piece))
    parts.push(code === undefined ? Buffer.from(text) : said(code));
  return Buffer.concat(parts).toString();
}

function said(code: string): Buffer {
  if (/^[0-7]{3}$/.test(code)) return Buffer.of(Number.parseInt(code, 8) & 0xff);
  if (/^x../.test(code)) return Buffer.of(Number.parseInt(code.slice(1), 16));
  if (/^[uU].{4}/.test(code)) {
    const point = Number.parseInt(code.slice(1), 16);
    return Buffer.from(String.fromCodePoint(point > 0x10ffff ? 0xfffd : point));
  }
  const control = CONTROLS[code];
  return control === undefined ? Buffer.from(code) : Buffer.of(control);
}
