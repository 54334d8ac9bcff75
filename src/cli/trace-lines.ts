// The events of a trace as lines of text or of JSON. They come by tens of thousands a second, while those who are traced
// want the same processors: what one line has from the one before, its path and the second, is not made again.

import { AMOUNTS, type ByteString, errnoCode, type SeenEvent } from '../../fs/index.js';
import { TimesInRow } from '../time.js';
import type { LayerNames } from '../web/naming.js';
import { colors } from './colors.js';
import { pathFields, quoteName, sizeText } from './output.js';
import { spanText } from './trace-summary.js';

export class TraceLines {
  readonly #times = new TimesInRow();
  readonly #quoted = lastOf((path) => (path === '' ? '.' : quoteName(path)));
  readonly #fields = lastOf((path) => fieldsText(pathFields(path)));

  /** For people, without an end of line; painted where stdout is. `called`: what they call layers, by ids. */
  text(event: SeenEvent, called: LayerNames): string {
    const { timeNs, kind, operation, path, layer, durationNs, errno } = event;
    const { bytes, bytesCopied, bytesSaved, parts } = event;
    let facts = errno === undefined ? '' : errnoCode(errno);
    if (bytes !== undefined) facts = and(facts, sizeText(bytes));
    if (bytesCopied !== undefined) facts = and(facts, `${sizeText(bytesCopied)} copied`);
    if (bytesSaved !== undefined && bytesSaved > 0) facts = and(facts, `${sizeText(bytesSaved)} saved`);
    if (parts !== undefined) facts = and(facts, `${parts} folders as one`);
    if (layer !== undefined) facts = and(facts, `in ${called.get(layer) ?? layer}`);
    if (durationNs !== undefined) facts = and(facts, spanText(durationNs));
    const name = (operation ?? kind).padEnd(11);
    const line = `${this.#times.ofDay(timeNs)}  ${name}  ${this.#quoted(path)}  ${facts}`;
    if (kind !== 'request') return colors.bold(line);
    return errno === undefined ? line : colors.yellow(line);
  }

  /**
   * One object: as with `mica explain`, a layer has its id and what people call it. Put together by hand, which takes a fifth
   * of the time of an object and its text; what may have odd characters is left to JSON.
   */
  json(event: SeenEvent, called: LayerNames): string {
    const { seq, timeNs, kind, operation, path, layer, errno } = event;
    let text = `{"seq":${seq},"kind":"${kind}"`;
    if (operation !== undefined) text += `,"operation":"${operation}"`;
    for (const name of AMOUNTS) {
      const amount = event[name];
      if (amount !== undefined) text += `,"${name}":${amount}`;
    }
    if (layer !== undefined) text += `,${fieldsText({ layer, layerName: called.get(layer) ?? layer })}`;
    text += `,"time":"${this.#times.of(timeNs)}",${this.#fields(path)}`;
    if (errno !== undefined) text += `,"errno":${errno},"error":"${errnoCode(errno)}"`;
    return `${text}}`;
  }
}

function and(facts: string, fact: string): string {
  return facts === '' ? fact : `${facts}, ${fact}`;
}

/** As they stand in an object. */
function fieldsText(fields: object): string {
  return JSON.stringify(fields).slice(1, -1);
}

/** The same, asked for the same path several times in a row. */
function lastOf<T>(make: (path: ByteString) => T): (path: ByteString) => T {
  let last = '';
  let made = make(last);
  return (path) => {
    if (path !== last) {
      made = make(path);
      last = path;
    }
    return made;
  };
}
