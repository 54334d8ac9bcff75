// What was, to be looked at again: a frame for each command, or for each bunch of events of a live mount. Dragging back
// shows the picture as it was then; the world itself does not go back.

import type { Ran, State } from '../model.js';
import { byId } from './dom.js';
import { toldThen } from './told.js';

export interface Frame {
  readonly label: string;
  readonly state: State;
  /** What was told of it. */
  readonly said: string;
  /** What led here; absent at the beginning. */
  readonly ran?: Ran;
}

/** States are large; older ones go. */
const MOST_FRAMES = 300;

export class Timeline {
  readonly #range = byId<HTMLInputElement>('time');
  readonly #label = byId('time-label');
  readonly #again = byId<HTMLButtonElement>('again');
  readonly #back = byId<HTMLButtonElement>('back');
  readonly #forward = byId<HTMLButtonElement>('forward');
  #frames: Frame[] = [];
  #at = 0;
  /** How many went: the others keep their numbers. */
  #gone = 0;

  /** `show`: a frame, and what is to be told with it. `replay`: what led to it is played once more, from the one before. */
  constructor(show: (frame: Frame, said: string) => void, replay: (before: Frame, frame: Frame) => void) {
    const go = (to: number) => {
      this.#at = Math.min(Math.max(to, 0), this.#frames.length - 1);
      this.#draw();
      show(this.#frames[this.#at]!, this.said);
    };
    this.#range.addEventListener('input', () => go(Number(this.#range.value)));
    this.#back.addEventListener('click', () => go(this.#at - 1));
    this.#forward.addEventListener('click', () => go(this.#at + 1));
    this.#again.addEventListener('click', () => {
      const before = this.#frames[this.#at - 1];
      if (before !== undefined) replay(before, this.#frames[this.#at]!);
    });
  }

  get isNow(): boolean {
    return this.#at >= this.#frames.length - 1;
  }

  get now(): Frame | undefined {
    return this.#frames.at(-1);
  }

  /** The frame that is looked at. */
  get shown(): Frame | undefined {
    return this.#frames[this.#at];
  }

  /** What is told of the frame that is looked at. */
  get said(): string {
    const { said } = this.#frames[this.#at]!;
    return this.isNow ? said : toldThen(said);
  }

  begin(state: State, said: string): void {
    this.#frames = [{ label: 'the beginning', state, said }];
    this.#at = 0;
    this.#gone = 0;
    this.#draw();
  }

  /** To what is now. */
  toNow(): void {
    this.#at = this.#frames.length - 1;
    this.#draw();
  }

  /** What is now has changed, by nothing of which there is a frame. */
  renew(state: State): void {
    const last = this.#frames.pop();
    if (last !== undefined) this.#frames.push({ ...last, state });
  }

  /** Follows along where the reader looks at what is now; who looks back is left there. */
  add(frame: Frame): void {
    const follows = this.isNow;
    this.#frames.push(frame);
    if (this.#frames.length > MOST_FRAMES) {
      this.#frames.shift();
      this.#gone++;
      this.#at = Math.max(0, this.#at - 1);
    }
    if (follows) this.#at = this.#frames.length - 1;
    this.#draw();
  }

  #draw(): void {
    const last = this.#frames.length - 1;
    this.#range.max = String(last);
    this.#range.value = String(this.#at);
    const { label } = this.#frames[this.#at]!;
    const step = this.#at + this.#gone;
    const count = step === 0 ? '' : ` (step ${step} of ${last + this.#gone})`;
    this.#label.textContent = this.isNow ? label : `looking back: ${label}${count}`;
    this.#range.setAttribute('aria-valuetext', `${label}${count}`);
    // Not `disabled`, which would take the focus away from who just pressed it.
    this.#back.ariaDisabled = String(this.#at === 0);
    this.#forward.ariaDisabled = String(this.isNow);
    this.#again.ariaDisabled = String(this.#at === 0);
  }
}
