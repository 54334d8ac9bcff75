// What is wrong with a lesson that somebody wrote, as far as that can be seen without playing it: the first field that is
// not as docs/lessons.md has it, by its path, and why.

import { assertNames, cleanFiles } from './setup.js';
import { parse, ShellError } from './shell.js';
import { isCommand } from './world.js';

/** `steps[2].answer: it is none of its choices`; '' if nothing is. */
export function wrongWith(lesson: unknown): string {
  return wrongIn(() => checkLesson(lesson));
}

/** The same of the layers and containers alone, which is what a lab is asked to begin with. */
export function wrongWithSetup(setup: unknown): string {
  return wrongIn(() => checkSetup(object(setup, '')));
}

function wrongIn(check: () => void): string {
  try {
    check();
    return '';
  } catch (error) {
    if (error instanceof WrongField) return error.message;
    throw error;
  }
}

class WrongField extends Error {
  constructor(field: string, why: string) {
    super(field === '' ? why : `${field}: ${why}`);
  }
}

type Fields = Readonly<Record<string, unknown>>;

const CLAIMS = ['from', 'copied', 'ls', 'output', 'disk', 'layers'];
const LAYER = ['name', 'files'];
const STEP = ['say', 'ask', 'choices', 'answer', 'run', 'because', 'then'];
const LESSON = ['title', 'about', 'layers', 'containers', 'ids', 'steps'];

function checkLesson(lesson: unknown): void {
  const all = object(lesson, '', LESSON);
  const { title, about, ids, steps } = all;
  text(title, 'title');
  text(about, 'about');
  if (ids !== undefined && typeof ids !== 'boolean') throw new WrongField('ids', 'it is true or false');
  checkSetup(all);
  for (const [at, step] of list(steps, 'steps', 'of questions').entries()) checkStep(step, `steps[${at}]`);
}

function checkSetup({ layers, containers }: Fields): void {
  const names = list(layers, 'layers', 'from the bottom up').map((layer, at) =>
    checkLayer(layer, `layers[${at}]`),
  );
  const places = containers === undefined ? ['box'] : list(containers, 'containers', 'of names');
  named('containers', () =>
    assertNames([...names, ...places.map((name, at) => text(name, `containers[${at}]`))]),
  );
}

/** Returns its name. */
function checkLayer(layer: unknown, field: string): string {
  const { name, files } = object(layer, field, LAYER);
  const own = text(name, `${field}.name`);
  named(`${field}.name`, () => assertNames([own]));
  const all = object(files, `${field}.files`);
  named(`${field}.files`, () => cleanFiles(all));
  return own;
}

function checkStep(step: unknown, field: string): void {
  const { say, ask, choices, answer, run, because, then } = object(step, field, STEP);
  for (const [name, value] of Object.entries({ say, ask, because })) text(value, `${field}.${name}`);
  const all = list(choices, `${field}.choices`, 'of answers');
  for (const [at, choice] of all.entries()) {
    text(choice, `${field}.choices[${at}]`);
    if (all.indexOf(choice) !== at) throw new WrongField(`${field}.choices[${at}]`, 'it is there twice');
  }
  if (answer === undefined) throw new WrongField(`${field}.answer`, 'it is missing');
  if (!all.includes(answer)) throw new WrongField(`${field}.answer`, 'it is none of its choices');
  if (run === undefined) throw new WrongField(`${field}.run`, 'it is missing');
  if (!Array.isArray(run)) throw new WrongField(`${field}.run`, 'it is no list of lines');
  for (const [at, line] of run.entries()) {
    const { name } = named(`${field}.run[${at}]`, () => parse(text(line, `${field}.run[${at}]`)));
    if (!isCommand(name)) {
      const why = `${name} is no command of the lab, whose help lists them; a line is what is typed, without a prompt`;
      throw new WrongField(`${field}.run[${at}]`, why);
    }
  }
  if (then !== undefined) object(then, `${field}.then`, CLAIMS);
}

/** `words`: all that it may have. What is misspelt and may be left out would be left out without a word. */
function object(value: unknown, field: string, words?: readonly string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new WrongField(field, value === undefined ? 'it is missing' : 'it is no JSON object');
  const unknown = words && Object.keys(value).find((word) => !words.includes(word));
  if (unknown === undefined) return value as Fields;
  const path = field === '' ? unknown : `${field}.${unknown}`;
  throw new WrongField(path, `there is no such word, but ${words?.join(', ')}`);
}

function text(value: unknown, field: string): string {
  if (typeof value === 'string' && value !== '') return value;
  if (value === '') throw new WrongField(field, 'it is empty');
  throw new WrongField(field, value === undefined ? 'it is missing' : 'it is no text');
}

/** One that has something in it. */
function list(value: unknown, field: string, what: string): readonly unknown[] {
  if (Array.isArray(value) && value.length > 0) return value;
  if (Array.isArray(value)) throw new WrongField(field, 'it is empty');
  throw new WrongField(field, value === undefined ? 'it is missing' : `it is no list ${what}`);
}

/** What is refused when a lesson is played is refused here under the name of its field. */
function named<T>(field: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof ShellError) throw new WrongField(field, error.message);
    throw error;
  }
}
