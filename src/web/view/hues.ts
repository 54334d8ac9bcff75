// One hue a layer, which it keeps wherever it is named or drawn: sheet, cells, the view on top, bars, reasons, the command
// line. Uppers are warm, each container's another one; what never changes is cool.

import type { State } from '../model.js';

const UPPERS = [70, 35, 105, 5];
const LOWERS = [195, 255, 310, 150, 225, 285, 335, 170];

/** Hues by the names of layers, given once and kept while the layer is there. */
export class Hues {
  readonly #known = new Map<string, number>();
  /** Names by ids, which are others where the layers are somebody's. */
  #names = new Map<string, string>();

  take(state: State): void {
    this.#names = new Map(state.layers.map(({ id, name }) => [id, name]));
    for (const { name, upperOf } of [...state.layers].reverse()) {
      const hues = upperOf === undefined ? LOWERS : UPPERS;
      const known = this.#known.get(name);
      if (known === undefined || !hues.includes(known)) this.#known.set(name, this.#free(hues));
      if (upperOf !== undefined) this.#known.set(upperOf, this.#known.get(name)!);
    }
  }

  /** For CSS: degrees of oklch. `layer`: its name or its id. */
  of(layer: string): string {
    return String(this.#known.get(this.nameOf(layer)) ?? 0);
  }

  /** What the page calls a layer. */
  nameOf(id: string): string {
    return this.#names.get(id) ?? id;
  }

  forget(): void {
    this.#known.clear();
  }

  #free(hues: readonly number[]): number {
    const used = new Set(this.#known.values());
    return hues.find((hue) => !used.has(hue)) ?? hues[this.#known.size % hues.length]!;
  }
}
