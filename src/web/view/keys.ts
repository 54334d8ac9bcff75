// Keys of one letter that lead to the parts of the page, and the help that lists them. They are none while somebody types, and
// can be turned off, because who speaks to the machine, or has a shaky hand, would press them unawares (WCAG 2.1.4).

import { byId } from './dom.js';

const STORE = 'mica-lab-keys';

/** What `L` leads to, and `N` presses, in this order. */
const LESSON = '#lesson-text input:checked, #lesson-text input, #lesson-text button';
const NEXT = ['#next:not([hidden])', '#lesson-text .go button'];

/** What keys do that is not a matter of one element. */
export interface KeyActions {
  toPicture(): void;
  /** Nothing is selected any more. */
  letGo(): void;
  /** There is nothing that `N` could press. */
  stay(): void;
}

/** Takes care of the keys of the page, of its help, and of its menu on a narrow screen. */
export function listenToKeys({ toPicture, letGo, stay }: KeyActions): void {
  const help = byId<HTMLDialogElement>('help');
  const letters = byId<HTMLInputElement>('letters');
  const open = () => help.showModal();
  /** Whether there is anything to press. */
  const press = (selector: string): boolean => {
    const found = document.querySelector<HTMLElement>(selector);
    found?.click();
    return found !== null;
  };
  const keys: Readonly<Record<string, () => unknown>> = {
    '?': open,
    l: () => (document.querySelector<HTMLElement>(LESSON) ?? byId('lesson-box')).focus(),
    p: toPicture,
    t: () => byId('line').focus(),
    d: () => byId('disk-list').focus(),
    w: () => byId('why-text').focus(),
    b: () => byId('bytes').focus(),
    n: () => NEXT.some(press) || stay(),
    '[': () => press('#back'),
    ']': () => press('#forward'),
    a: () => press('#again'),
    g: () => press('#elsewhere:not([hidden])'),
  };
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || help.open) return;
    if (event.key === 'Escape' && event.target === byId('line')) toPicture();
    else if (event.key === 'Escape' && byId('grid').contains(document.activeElement)) letGo();
    const act = keys[event.key];
    if (act === undefined || !letters.checked || isTyped(event.target, event.key)) return;
    event.preventDefault();
    act();
  });
  byId('ask-help').addEventListener('click', open);
  letters.checked = remembered() !== 'off';
  letters.addEventListener('change', () => remember(letters.checked ? 'on' : 'off'));
  const menu = byId('menu');
  menu.addEventListener('click', () => {
    menu.setAttribute('aria-expanded', String(byId('tools').classList.toggle('open')));
  });
}

/** Where a letter is text, or leads to an entry of a list. */
function isTyped(target: EventTarget | null, letter: string): boolean {
  if (target instanceof HTMLSelectElement)
    return [...target.options].some(({ text }) => text.toLowerCase().startsWith(letter));
  return (
    target instanceof Element && target.matches('input:not([type=radio], [type=range], [type=checkbox])')
  );
}

function remembered(): string | null {
  try {
    return localStorage.getItem(STORE);
  } catch {
    // A browser that keeps nothing: the keys are on.
    return null;
  }
}

function remember(value: string): void {
  try {
    localStorage.setItem(STORE, value);
  } catch {
    // As above.
  }
}
