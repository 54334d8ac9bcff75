// Which layers a container stands on after layers were hidden, shown and moved in the sandbox: its own, and no other container's.

import { beforeEach, describe, expect, test } from 'vitest';
import { MemoryBackend } from '../../../src/web/memory.js';
import { isLeftOut, neededBy } from '../../../src/web/view/needs.js';
import { containerText } from '../../../src/web/view/words.js';
import { World } from '../../../src/web/world.js';

let world: World;

beforeEach(async () => {
  world = new World(new MemoryBackend());
  await world.load({
    layers: [
      { name: 'base', files: { 'etc/motd': 'Welcome\n' } },
      { name: 'app', files: { 'etc/motd': 'App\n' } },
    ],
  });
});

async function run(...lines: readonly string[]): Promise<void> {
  for (const line of lines) expect(await world.run(line)).toMatchObject({ line, failed: false });
}

/** By container: its layers, topmost first. */
async function stacks(): Promise<Readonly<Record<string, string>>> {
  const { containers } = await world.state();
  return Object.fromEntries(containers.map(({ name, layers }) => [name, layers.slice(1).join(' ')]));
}

describe("another container's committed layer", () => {
  beforeEach(() => run('run two', 'echo 1 > a', 'commit mine', 'use box'));

  test.each([
    [['hide app'], 'base'],
    [['hide app', 'show app'], 'app base'],
    [['sink app'], 'base app'],
    [['sink app', 'raise app'], 'app base'],
    [['raise app'], 'app base'],
    [['layer third'], 'third app base'],
    [['hide app', 'commit fourth', 'show app'], 'fourth app base'],
  ])('does not come under this one by %s', async (lines, stack) => {
    await run(...lines);
    expect(await stacks()).toEqual({ box: stack, two: 'mine app base' });
    expect((await world.state()).merged.map(({ path }) => path)).not.toContain('a');
  });

  test.each(['hide', 'show', 'raise', 'sink'])('is refused to %s', async (word) => {
    const { failed, output } = await world.run(`${word} mine`);
    expect([failed, output]).toEqual([true, 'mine: it is not under box\n']);
    expect(await stacks()).toEqual({ box: 'app base', two: 'mine app base' });
  });
});

test('what is left out of one container is left out of that one alone', async () => {
  const hidden = async () =>
    (await world.state()).layers.filter((layer) => layer.hidden).map(({ name }) => name);
  await run('run two', 'hide app');
  expect([await stacks(), await hidden()]).toEqual([{ box: 'app base', two: 'base' }, ['app']]);
  await run('use box');
  expect(await hidden()).toEqual([]);
  await run('kill box', 'gc', 'show app');
  expect(await stacks()).toEqual({ two: 'app base' });
});

test('a container on the layers of another can show what is left out of that one', async () => {
  await run('hide app', 'run two', 'show app');
  expect(await stacks()).toEqual({ box: 'base', two: 'app base' });
});

test('layers lie in the order of the container that is looked at', async () => {
  const order = async () =>
    (await world.state()).layers.filter(({ upperOf }) => upperOf === undefined).map(({ name }) => name);
  await run('run two', 'sink app');
  expect(await order()).toEqual(['base', 'app']);
  await run('use box');
  expect(await order()).toEqual(['app', 'base']);
});

test('each container is said to stand on its layers in its own order', async () => {
  await run('run two', 'sink app');
  const state = await world.state();
  expect(state.containers.map((container) => containerText(container, state))).toEqual([
    'nothing of its own, on app, base',
    'nothing of its own, on base, app',
  ]);
});

test('a layer that is left out of a container that nobody looks at is kept, and not called needless', async () => {
  await run('run two', 'commit mine', 'hide mine', 'use box', 'gc');
  const state = await world.state();
  const mine = state.layers.find(({ name }) => name === 'mine')!;
  expect([neededBy(state, mine), isLeftOut(state, mine)]).toEqual([[], true]);
});

test('a container that would stand on nothing stays as it was', async () => {
  await run('hide app');
  expect(await world.run('hide base')).toMatchObject({ failed: true });
  expect((await world.state()).layers.map(({ name, hidden = false }) => [name, hidden])).toEqual([
    ['box', false],
    ['app', true],
    ['base', false],
  ]);
});
