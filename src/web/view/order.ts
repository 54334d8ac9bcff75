// The order of the parts of the page, which is that of the eye: beside each other on a wide screen, below each other on a
// narrow one, what is asked before the picture that it asks about. They are moved, and not only drawn elsewhere, so that Tab and a screen reader go the same way.

import { byId } from './dom.js';

const WIDE = ['lesson-box', 'bytes', 'stage', 'terminal', 'disk', 'why'];
const NARROW = ['lesson-box', 'stage', 'terminal', 'bytes', 'why', 'disk'];

/** The width is that of `styles/narrow.css`. */
export function keepOrder(): void {
  const isNarrow = matchMedia('(max-width: 1000px)');
  const arrange = () => {
    const focused = document.activeElement;
    const order = isNarrow.matches ? NARROW : WIDE;
    document.querySelector('main')?.append(...order.map((id) => byId(id)));
    if (focused instanceof HTMLElement) focused.focus();
  };
  isNarrow.addEventListener('change', arrange);
  arrange();
}
