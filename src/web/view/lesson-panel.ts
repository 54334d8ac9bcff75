// A lesson, step by step: what to look at, a question that is to be answered before anything runs, the run, and why it
// was so. What was answered is kept in this browser.

import type { Lesson, Step } from '../lesson.js';
import { button, byId, el } from './dom.js';

const STORE = 'mica-lab-progress';

/** Right answers by lessons, as keyOf names them. */
type Progress = Record<string, (boolean | null)[]>;

export interface LessonActions {
  /** Runs the lines of a step, and resolves when they have been shown. */
  runStep(step: Step): Promise<void>;
  restart(): void;
  next(): void;
  /** A step was answered, or a lesson ended. */
  progressed(): void;
}

export class LessonPanel {
  readonly #place = byId('lesson-text');
  readonly #actions: LessonActions;
  #lesson: Lesson | undefined;
  #at = 0;

  constructor(actions: LessonActions) {
    this.#actions = actions;
  }

  begin(lesson: Lesson): void {
    this.#lesson = lesson;
    this.#at = 0;
    this.#ask();
  }

  /** The sandbox, or a live mount: no questions. */
  beginFree(title: string, ...said: readonly string[]): void {
    this.#lesson = undefined;
    this.#place.replaceChildren(el('h2', {}, title), ...said.map((text) => el('p', {}, text)));
  }

  /** What is to be done before anything can be gone on to, in a sentence; the focus goes there. */
  toDo(): string {
    const answers = this.#place.querySelectorAll('input');
    const chosen = [...answers].find(({ checked }) => checked);
    if (chosen !== undefined) {
      this.#place.querySelector<HTMLElement>('[type=submit]')?.focus();
      return `The answer ${chosen.value} is chosen: press Answer and run.`;
    }
    answers[0]?.focus();
    return answers.length > 0
      ? 'Nothing comes before an answer: choose one, then press Answer and run.'
      : 'There is no question here: type a line, or select a cell and click one.';
  }

  /** How many steps of a lesson were answered, and how many right. */
  static progressOf(lesson: Lesson): { readonly done: number; readonly right: number } {
    const answers = load()[keyOf(lesson)] ?? [];
    const known = answers.filter((one) => one !== null && one !== undefined);
    return { done: known.length, right: known.filter((one) => one === true).length };
  }

  #head(lesson: Lesson): HTMLElement[] {
    const dots = lesson.steps.map((_, at) =>
      el('span', { class: at < this.#at ? 'done' : at === this.#at ? 'now' : undefined }),
    );
    const text = `question ${Math.min(this.#at + 1, lesson.steps.length)} of ${lesson.steps.length}`;
    return [
      el('h2', {}, lesson.title),
      el('p', { class: 'about' }, lesson.about),
      el('div', { class: 'dots', role: 'img', 'aria-label': text }, ...dots),
    ];
  }

  #ask(): void {
    const lesson = this.#lesson;
    const step = lesson?.steps[this.#at];
    if (lesson === undefined || step === undefined) return;
    const choices = step.choices.map((choice, at) => {
      const input = el('input', {
        type: 'radio',
        name: 'answer',
        value: choice,
        id: `choice-${at}`,
        required: true,
      });
      return el('label', { for: `choice-${at}` }, input, el('span', {}, choice));
    });
    const submit = el('button', { type: 'submit', class: 'main' }, 'Answer and run');
    const form = el(
      'form',
      {},
      el('fieldset', { 'aria-describedby': 'say' }, el('legend', {}, step.ask), ...choices),
      runs(step),
      submit,
    );
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const chosen = new FormData(form).get('answer');
      if (typeof chosen !== 'string') return;
      submit.disabled = true;
      for (const input of form.querySelectorAll('input')) input.disabled = true;
      void this.#answered(lesson, step, chosen);
    });
    this.#place.replaceChildren(...this.#head(lesson), el('p', { id: 'say' }, step.say), form);
  }

  /** The next one, with the focus on its first answer: the button that led here is gone. */
  #askNext(): void {
    this.#ask();
    this.#place.querySelector('input')?.focus();
    this.#place.querySelector('#say')?.scrollIntoView({ block: 'nearest' });
  }

  async #answered(lesson: Lesson, step: Step, chosen: string): Promise<void> {
    const right = chosen === step.answer;
    keep(lesson, this.#at, right);
    await this.#actions.runStep(step);
    const verdict = el(
      'div',
      { class: `verdict ${right ? 'right' : 'wrong'}`, role: 'status' },
      el('b', {}, right ? 'Right. ' : `It was: ${step.answer}. `),
      step.because,
    );
    this.#at++;
    const isLast = this.#at >= lesson.steps.length;
    const on = isLast
      ? button('Next lesson', () => this.#actions.next(), { class: 'main' })
      : button('Next question', () => this.#askNext(), { class: 'main' });
    const again = isLast ? button('Play again', () => this.#actions.restart()) : undefined;
    const asked = el('p', { class: 'asked' }, step.ask);
    this.#place.replaceChildren(
      ...this.#head(lesson),
      asked,
      runs(step),
      verdict,
      el('p', { class: 'go' }, on, again ?? ''),
    );
    on.focus();
    // Where the picture is below, both are in sight then.
    verdict.scrollIntoView({ block: 'nearest' });
    this.#actions.progressed();
  }
}

function runs({ run }: Step): HTMLElement {
  return el(
    'pre',
    { class: 'runs', 'aria-label': 'what will be typed' },
    run.map((line) => `$ ${line}`).join('\n'),
  );
}

/** A copy of a lesson with other questions is another one. */
function keyOf({ title, steps }: Lesson): string {
  return JSON.stringify([title, ...steps.map(({ ask, answer }) => [ask, answer])]);
}

function load(): Progress {
  try {
    return JSON.parse(localStorage.getItem(STORE) ?? '{}') as Progress;
  } catch {
    // A browser that keeps nothing: the lessons begin anew then.
    return {};
  }
}

function keep(lesson: Lesson, at: number, right: boolean): void {
  const all = load();
  const answers = [...(all[keyOf(lesson)] ?? [])];
  answers[at] = right;
  all[keyOf(lesson)] = answers;
  try {
    localStorage.setItem(STORE, JSON.stringify(all));
  } catch {
    // As above.
  }
}
