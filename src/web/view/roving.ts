// One stop in the tab order for the whole picture: arrows lead on from cell to cell, and to the buttons before them in a row.
// Where the focus is survives that everything is drawn anew.

/** What a button of a row is: a column by its number, or a tool by its name. Equal ones stand above each other. */
const KEY = 'key';

export class Roving {
  readonly #grid: HTMLElement;
  /** `name`: of the row, which may have moved when it is drawn anew. */
  #at = { row: 0, name: '', key: '0' };

  /** Rows of `grid` have the role row, and each button in one has a `data-key`. */
  constructor(grid: HTMLElement) {
    this.#grid = grid;
    grid.addEventListener('keydown', (event) => this.#onKey(event));
    grid.addEventListener('focusin', ({ target }) => this.#note(target));
  }

  /** To be called before the rows are drawn anew; what it returns, afterwards. */
  keep(): () => void {
    const had = this.#grid.contains(document.activeElement);
    return () => {
      const { row, name, key } = this.#at;
      const named = this.#rows().findIndex((one) => (one.dataset['name'] ?? '') === name);
      const at = named < 0 ? row : named;
      const found = this.#find(at, key) ?? this.#find(at, '0') ?? this.#find(0, '0');
      this.#settle(found);
      if (had) found?.focus();
    };
  }

  /** To the picture, from elsewhere on the page. */
  focus(): void {
    this.#grid.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
  }

  #onKey(event: KeyboardEvent): void {
    const from = event.target;
    if (!(from instanceof HTMLButtonElement) || event.ctrlKey || event.altKey || event.metaKey) return;
    const row = this.#rows().findIndex((one) => one.contains(from));
    const here = this.#buttons(row);
    const at = here.indexOf(from);
    const moves: Record<string, () => HTMLElement | undefined> = {
      ArrowLeft: () => here[at - 1],
      ArrowRight: () => here[at + 1],
      ArrowUp: () => this.#near(row - 1, from, -1),
      ArrowDown: () => this.#near(row + 1, from, 1),
      Home: () => here[0],
      End: () => here.at(-1),
    };
    const move = moves[event.key];
    if (move === undefined) return;
    event.preventDefault();
    move()?.focus();
  }

  /** In the next row that has the same. */
  #near(row: number, from: HTMLElement, by: 1 | -1): HTMLElement | undefined {
    const count = this.#rows().length;
    for (let at = row; at >= 0 && at < count; at += by) {
      const found = this.#find(at, from.dataset[KEY] ?? '');
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #note(target: EventTarget | null): void {
    if (!(target instanceof HTMLButtonElement)) return;
    const row = this.#rows().findIndex((one) => one.contains(target));
    const name = this.#rows()[row]?.dataset['name'] ?? '';
    this.#at = { row, name, key: target.dataset[KEY] ?? '0' };
    this.#settle(target);
  }

  #settle(stop: HTMLElement | undefined): void {
    for (const one of this.#grid.querySelectorAll('button')) one.tabIndex = one === stop ? 0 : -1;
  }

  #find(row: number, key: string): HTMLElement | undefined {
    return this.#buttons(row).find((one) => one.dataset[KEY] === key);
  }

  #rows(): HTMLElement[] {
    return [...this.#grid.querySelectorAll<HTMLElement>('[role=row]')];
  }

  #buttons(row: number): HTMLElement[] {
    return [...(this.#rows()[row]?.querySelectorAll('button') ?? [])];
  }
}
