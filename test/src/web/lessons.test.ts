// Every lesson is played on the union in memory, and what it claims holds after each step.

import { describe, expect, test } from 'vitest';
import { type Lesson, untrue } from '../../../src/web/lesson.js';
import { wrongWith } from '../../../src/web/lesson-check.js';
import { LESSONS } from '../../../src/web/lessons/index.js';
import { MemoryBackend } from '../../../src/web/memory.js';
import type { Ran, State } from '../../../src/web/model.js';
import { World } from '../../../src/web/world.js';

describe.each(LESSONS.map((lesson) => [lesson.title, lesson] as const))('%s', (_, lesson: Lesson) => {
  test('is a lesson', () => {
    expect(wrongWith(lesson)).toBe('');
    expect(lesson.steps.length).toBeGreaterThanOrEqual(3);
  });

  test('says what is so', async () => {
    const world = new World(new MemoryBackend());
    let state: State = await world.load(lesson);
    for (const [at, step] of lesson.steps.entries()) {
      const rans: Ran[] = [];
      for (const line of step.run) rans.push(await world.run(line));
      expect(rans.filter(({ failed }) => failed)).toEqual([]);
      state = rans.at(-1)?.state ?? state;
      expect([at, untrue(step.then ?? {}, rans, state)]).toEqual([at, []]);
    }
  });
});

test('what a lesson claims wrongly is told', async () => {
  const world = new World(new MemoryBackend());
  await world.load({ layers: [{ name: 'base', files: { f: 'four' } }] });
  const ran = await world.run('cat f');
  const claims = {
    from: { f: 'box' },
    copied: 1,
    ls: { '': [] },
    output: '',
    disk: { 'base:f': 'folder' },
    layers: [],
  };
  expect(untrue(claims, [ran], ran.state)).toHaveLength(6);
});

test.each<[string, unknown]>([
  ['it is no JSON object', []],
  ['about: it is missing', { title: 'x' }],
  ['layers: it is no list from the bottom up', own({ layers: {} })],
  ['layers: it is empty', own({ layers: [] })],
  [
    'container: there is no such word, but title, about, layers, containers, ids, steps',
    own({ container: ['box'] }),
  ],
  ['layers[0].file: there is no such word, but name, files', layer({ file: {} })],
  ['layers[0].files: it is missing', layer({ files: undefined })],
  ['layers[0].files: a: its layer has no file b to link to', layer({ files: { a: { link: 'b' } } })],
  [
    'layers[0].name: a name of letters, digits, dots and dashes is wanted, of at most 20',
    layer({ name: '../x' }),
  ],
  ['layers[0].files: f: no file is written so', layer({ files: { f: 3 } })],
  ['layers[0].files: f: no file is written so', layer({ files: { f: { symlink: '/x', folder: true } } })],
  ['layers[0].files: ../f: the lab knows no ..', layer({ files: { '../f': 'x' } })],
  ['containers: base: there is one already', own({ containers: ['base'] })],
  ['steps[0].because: it is missing', step({ because: undefined })],
  ['steps[0].answer: it is none of its choices', step({ answer: 'c' })],
  ['steps[0].answer: it is missing', step({ answer: undefined })],
  ['steps[0].choices[2]: it is there twice', step({ choices: ['a', 'b', 'a'] })],
  ['steps[0].because: it is empty', step({ because: '' })],
  ['steps[0].run: it is missing', step({ run: undefined })],
  [
    'steps[0].run[1]: $ is no command of the lab, whose help lists them; a line is what is typed, without a prompt',
    step({ run: ['ls', '$ rm f'] }),
  ],
  ['steps[0].run: it is no list of lines', step({ run: 'ls' })],
  ['steps[0].run[1]: a quote is not closed', step({ run: ['ls', "echo 'x"] })],
  [
    'steps[0].then.form: there is no such word, but from, copied, ls, output, disk, layers',
    step(JSON.parse('{"then":{"form":{}}}')),
  ],
])('what is wrong with a lesson is told by its field: %s', (wrong, lesson) => {
  expect(wrongWith(lesson)).toBe(wrong);
});

/** A lesson with other fields. */
function own(fields: object): object {
  const question = { say: 's', ask: 'a', choices: ['a', 'b'], answer: 'a', run: ['ls'], because: 'b' };
  return { title: 'x', about: 'y', layers: [{ name: 'base', files: {} }], steps: [question], ...fields };
}

function layer(fields: object): object {
  return own({ layers: [{ name: 'base', files: {}, ...fields }] });
}

function step(fields: object): object {
  const { steps } = own({}) as { steps: object[] };
  return own({ steps: [{ ...steps[0], ...fields }] });
}

test('one that is whole has nothing wrong with it', () => {
  expect(wrongWith(own({}))).toBe('');
});
